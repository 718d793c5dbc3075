import { StowageError } from '../errors/index.ts'
import { KEY_BYTES } from './envelope.ts'

/** How to make a good master key. */
const RECIPE = 'Make one with: openssl rand -base64 32'

/**
 * Reads master keys from text: one key, or several as `VERSION:KEY` separated by commas or line breaks. A key is 32 bytes in base64
 * (either alphabet) or hexadecimal; one without a version is version 1. Empty lines and lines that begin with `#` are left out.
 * @param origin what the text is, for errors, such as `The variable STOWAGE_MASTER_KEY`
 * @throws StowageError `configuration`; the message never has a part of the text
 */
export function parseMasterKeys(text: string, origin: string, field: string): Map<number, Uint8Array> {
  const keys = new Map<number, Uint8Array>()
  const entries = text
    .split(/\r?\n/)
    .filter((line) => !line.trimStart().startsWith('#'))
    .flatMap((line) => line.split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  if (entries.length === 0) throw refused(`${origin} has no master key.`, field)
  for (const entry of entries) {
    const parts = /^(?:(?:v?(\d{1,9})):)?(\S*)$/.exec(entry)
    const version = Number(parts?.[1] ?? 1)
    const key = parts?.[2] === undefined ? undefined : decode(parts[2])
    if (key === undefined) {
      throw refused(`${origin} is not a master key: it must be 32 bytes in base64 or hexadecimal.`, field)
    }
    if (version === 0) throw refused(`${origin} has a master key of version 0; versions begin with 1.`, field)
    const why = weakness(key)
    if (why !== undefined) throw refused(`${origin} has a master key that ${why}.`, field)
    if (keys.has(version)) throw refused(`${origin} has two master keys of version ${version}.`, field)
    keys.set(version, key)
  }
  return keys
}

/**
 * Why bytes cannot be a master key, or `undefined` when nothing speaks against them. Looks for what chance practically never gives: each
 * rule refuses less than one random key in 10^12.
 */
export function weakness(key: Uint8Array): string | undefined {
  if (key.length !== KEY_BYTES) return `is ${key.length} bytes long; it must be ${KEY_BYTES}`
  if (key.every((byte) => byte === 0)) return 'is all zeros'
  if (key.every((byte) => byte === key[0])) return 'repeats one byte'
  for (const period of [2, 4, 8, 16]) {
    if (key.every((byte, i) => byte === key[i % period])) return `repeats ${period} bytes`
  }
  const step = ((key[1] ?? 0) - (key[0] ?? 0)) & 0xff
  if (key.every((byte, i) => i === 0 || ((byte - (key[i - 1] ?? 0)) & 0xff) === step)) return 'counts up or down'
  if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'is written text, not random bytes'
  if (new Set(key).size < 16) return 'has too few different bytes to be random'
  return undefined
}

function decode(text: string): Uint8Array | undefined {
  if (/^[0-9a-fA-F]+$/.test(text) && text.length === KEY_BYTES * 2) return Buffer.from(text, 'hex')
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  // Node passes over what it cannot read; a text that was cut or mistyped does not come back the same.
  const again = bytes.toString('base64url')
  return again === text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '') ? bytes : undefined
}

function refused(message: string, field: string): StowageError {
  return new StowageError('configuration', message, { field, hint: RECIPE })
}
