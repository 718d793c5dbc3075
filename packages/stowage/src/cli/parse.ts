import { InvalidArgumentError } from 'commander'
import { bytesIn } from '../config/index.ts'

/** Bytes: a whole number, with K, M, G or T for powers of 1024. */
export function parseBytes(text: string): number {
  const bytes = bytesIn(text)
  if (bytes === undefined || bytes <= 0) throw new InvalidArgumentError('Write bytes, such as 16777216 or 16M.')
  return bytes
}

/** A whole number from 1. */
export function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Write a whole number from 1.')
  return value
}

/** A TCP port, or 0. */
export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError('Write a number from 0 to 65535.')
  return Number(text)
}

/** A positive number of seconds. */
export function parseDuration(text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('Write a number of seconds above 0.')
  return value
}

const seconds: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** A time as milliseconds: a number of seconds, or one with s, m, h, d or w behind. */
export function parseAge(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhdw]?)$/i.exec(text)
  const unit = seconds[match?.[2]?.toLowerCase() ?? 'x']
  if (match === null || unit === undefined) throw new InvalidArgumentError('Write a time, such as 90, 10m, 36h or 7d.')
  return Math.round(Number(match[1]) * unit * 1000)
}

/** A share from 0 to 100, with or without a percent sign. */
export function parsePercent(text: string): number {
  const value = Number(text.replace(/%$/, ''))
  if (text === '' || !(value >= 0 && value <= 100)) throw new InvalidArgumentError('Write a percentage from 0 to 100.')
  return value
}

/** Collects an option that may be given several times. */
export function collect(text: string, before: string[] = []): string[] {
  return [...before, text]
}
