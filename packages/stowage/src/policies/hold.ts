import { type Clock, StowageError } from '@stowage/core'
import { type ProcessIdentity, processOwner } from '@stowage/sync'
import type { Records } from './records.ts'

/** A record that says who is at it. */
export interface Held {
  /** Until then, by the store's clock, the process with this name is at it; 0 when nobody is. */
  heldUntil: number
  /** A name for each time that it is taken. */
  holder: string
  /** The process, so that another one on its machine can tell at once that it is dead. */
  by?: ProcessIdentity
}

/** Whether somebody is at it, at a time of the store's clock. */
export function isHeld(record: Held | undefined, now: number): boolean {
  if (record === undefined || record.heldUntil <= now || record.heldUntil > now + wrongMs) return false
  return record.by === undefined || !processOwner.isDead(record.by)
}

/** What a record says of who takes it now. */
export function holdBy(holder: string, now: number): Held {
  return { holder, heldUntil: now + HOLD_MS, by: processOwner.identity }
}

/** What a record says of nobody. */
export const free: Readonly<Pick<Held, 'heldUntil' | 'holder'>> = { holder: '', heldUntil: 0 }

/** How long something is held without a sign of life, in milliseconds. */
const HOLD_MS = 60_000

/** What is held so much longer than anything, in milliseconds, was taken by a clock that was wrong. */
const wrongMs = 86_400_000

export interface HoldOptions {
  records: Records
  clock: Clock
  /** The record, which names the holder already. */
  key: string
  holder: string
  /** What is held, for messages. */
  what: string
}

/**
 * Does something while a record says that it is ours, and keeps that so. The signal that `work` gets fires when it is ours no more.
 * @returns whether it was lost
 */
export async function whileHeld(
  options: HoldOptions,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const over = new AbortController()
  const lost = new AbortController()
  const beating = beat(options, over.signal, lost)
  try {
    await work(AbortSignal.any([signal, lost.signal]))
  } finally {
    over.abort()
    await beating
  }
  return lost.signal.aborted
}

async function beat(options: HoldOptions, over: AbortSignal, lost: AbortController): Promise<void> {
  const { records, clock, key, holder, what } = options
  const lose = (): void => lost.abort(new StowageError('lease-lost', `Another process took ${what} over.`))
  let until = clock.now() + HOLD_MS
  while (!over.aborted) {
    try {
      await clock.sleep(HOLD_MS / 3, over)
      const asked = clock.now()
      const now = await records.now(over)
      const record = await records.change<Held>(
        key,
        (before) => (before?.holder === holder ? { ...before, heldUntil: now + HOLD_MS } : before),
        over,
      )
      if (record?.holder !== holder) return lose()
      until = asked + HOLD_MS
    } catch {
      if (over.aborted) return
      // A store that is away for a moment: the next beat tries again, as long as nobody else can have it.
      if (clock.now() >= until) return lose()
    }
  }
}
