import { compareKeys, toStowageError } from '@stowage/core'
import { Semaphore } from '../flow/index.ts'
import { merge, type Row, type Side } from '../plan/index.ts'
import type { PassCounts } from './counts.ts'
import type { Frontier } from './frontier.ts'
import type { PassContext } from './shared.ts'
import { listFrom, listTo } from './sides.ts'
import type { Pending } from './tally.ts'

/** Keys that may be under way or wait behind one that is. Bounds the memory of a run. */
const windowKeys = 2048

/** Keys after which what is settled is handed on: it goes while it is young, which spares the memory that old things are kept in. */
const handOnKeys = 128

/** Objects under way beyond the requests at a time: those wait for a turn, so that none is idle. */
const spareObjects = 16

/** Results after which a checkpoint is made whatever the time. */
const checkpointResults = 4096

/** Bytes after which a checkpoint is made, where only the ledger knows that they arrived. */
const checkpointBytes = 8 * 1024 * 1024

/** What a pass does with the keys that it meets: one direction and two differ in this alone. */
export interface Rules {
  /** Sides that may not hold an object beside others that lie below it as if it were a folder. */
  readonly lookBelow: readonly Side[]
  /**
   * Takes the next key: counts it, decides about it, and sees to what needs no request. What needs some is handed back as work, which notes
   * failures of the object and stops the run by itself where nothing else could succeed.
   */
  take(row: Row, pending: Pending | undefined): (() => Promise<void>) | undefined
}

/** The keys that a pass walks over. */
export interface Walk {
  /** Only keys above this. Empty: all. */
  readonly after: string
  /** Only keys up to this. It may be set to a lower one while the walk is under way, but not below {@link last}. */
  until?: string | undefined
  /** Where it ended with keys to come: {@link until}, as it was then. */
  endedAt?: string
  /** The last key that was taken. */
  last: string
  /** Keys taken. */
  taken: number
  /** How many walks share what may be lost by a crash. */
  readonly sharers: number
}

/** A walk that has not begun. */
export function walkOver(after: string, until?: string, sharers = 1): Walk {
  return { after, until, last: after, taken: 0, sharers }
}

/**
 * One walk over both listings and the ledger: decides about every key and sees to it. Returns when all of it is settled, or the run was
 * stopped; what is not settled then is not in the ledger.
 *
 * @throws StowageError of a listing that failed, `unsafe`, `lease-lost`
 */
export async function runPass(
  context: PassContext,
  rules: Rules,
  walk: Walk,
  counts: PassCounts,
  onTaken?: () => void,
): Promise<void> {
  const { options, stop, frontier, transfers } = context
  const { after } = walk
  const active = new Semaphore(options.concurrency + spareObjects)
  const running = new Set<Promise<void>>()
  const listings = new AbortController()
  const signal = AbortSignal.any([stop.signal, listings.signal])
  const [source, target] = [listFrom(context, after, signal, counts), listTo(context, after, signal, counts)]
  const pages = merge(source, target, context.ledger, rules.lookBelow)
  try {
    for await (const page of pages) {
      for (const row of page) {
        if (stop.stopping) return
        if (frontier !== undefined) await makeRoom(frontier, running, walk)
        if (walk.until !== undefined && compareKeys(row.key, walk.until) > 0) {
          walk.endedAt = walk.until
          return
        }
        walk.last = row.key
        walk.taken++
        onTaken?.()
        const work = rules.take(row, frontier?.add(row.key))
        if (work === undefined) continue
        // No more than the stores are asked at a time: each that waits there takes memory, and a listener that is looked for among all.
        const most = Math.min(options.concurrency, transfers.units.atOnce) + spareObjects
        if (most !== active.capacity) active.resize(most)
        const release = await active.acquire(1, stop.signal).catch(() => undefined)
        if (release === undefined) return
        const done: Promise<void> = work().finally(() => {
          release()
          running.delete(done)
        })
        running.add(done)
      }
      transfers.progress.touch()
    }
    // All that is to be done is known, also while the last of it is still under way.
    if (walk.until === undefined && walk.sharers === 1 && !stop.stopping) transfers.progress.listingDone = true
  } catch (error) {
    if (stop.stopping) return
    // Nothing more is copied beside a listing that failed.
    stop.now({ kind: 'failed', error: toStowageError(error) })
    throw error
  } finally {
    listings.abort()
    await Promise.all(running)
    await frontier?.drain()
  }
}

async function makeRoom(
  frontier: Frontier,
  running: ReadonlySet<Promise<void>>,
  { taken, sharers }: Walk,
): Promise<void> {
  if (frontier.fresh >= checkpointResults || frontier.freshBytes >= checkpointBytes / sharers)
    await frontier.checkpoint(false)
  if (frontier.length < windowKeys && taken % handOnKeys !== 0) return
  await frontier.drain()
  while (frontier.length >= windowKeys && running.size > 0) {
    await Promise.race(running)
    await frontier.drain()
  }
}
