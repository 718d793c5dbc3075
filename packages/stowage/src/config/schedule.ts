import { StowageError } from '@stowage/core'
import { Cron } from 'croner'

/** The times at which something is due. */
export interface Schedule {
  /** The first time after this one, in milliseconds since the epoch; `undefined` when there is none any more. */
  next(after: number): number | undefined
  /** The last time up to this one, no earlier than `since`. */
  last(since: number, upTo: number): number | undefined
}

const names = ['@hourly', '@daily', '@weekly', '@monthly', '@yearly', '@annually', '@midnight']

/** The first stretch that is searched backwards, in milliseconds: it has 60 times of the densest schedule. */
const stretchMs = 3_600_000

/**
 * Reads a cron expression of five fields. Where clocks are put forward, a time that is left out comes at the moment after the gap; where
 * they are put back, a time that comes twice counts the first time, while "every hour" and the like go on through both hours.
 *
 * @throws StowageError `configuration` with what is wrong, to be said after the name of the field
 */
export function parseSchedule(text: string, timeZone = 'UTC'): Schedule {
  const trimmed = text.trim()
  const fields = trimmed.split(/\s+/).length
  if (fields !== 5 && !names.includes(trimmed.toLowerCase()))
    throw wrong('must be a cron expression of five fields, such as "30 2 * * *", or @hourly, @daily, @weekly, @monthly')
  let cron: Cron
  try {
    cron = new Cron(trimmed, { timezone: timeZone, paused: true, fixedTimeRule: 'no-wildcard' })
  } catch (cause) {
    throw wrong(
      `is no cron expression: ${cause instanceof Error ? cause.message.replace(/^CronPattern: /, '') : cause}`,
    )
  }
  const next = (after: number): number | undefined => cron.nextRun(new Date(after))?.getTime()
  if (next(0) === undefined) throw wrong('never comes')
  return {
    next,
    last(since, upTo) {
      for (let stretch = stretchMs; ; stretch *= 8) {
        const from = Math.max(since - 1, upTo - stretch)
        let found: number | undefined
        for (let at = next(from); at !== undefined && at <= upTo; at = next(at)) found = at
        if (found !== undefined || from < since) return found
      }
    },
  }
}

/** Whether a time zone is known here. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Reads a time such as `90m` as milliseconds; `undefined` when it is none. */
export function parseEvery(text: string): number | undefined {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)([smhdw])$/.exec(text.trim())
  return match === null ? undefined : Number(match[1]) * (units[match[2] ?? ''] ?? Number.NaN)
}

function wrong(message: string): StowageError {
  return new StowageError('configuration', message)
}
