import { type Clock, onBytesIn, type StorageAdapter, StowageError, systemClock } from '@stowage/core'
import type { Begin } from './call.ts'
import { Slots } from './slots.ts'
import { WrappedAdapter } from './wrapped-adapter.ts'

/** Options of {@link limitConcurrency}. */
export interface ConcurrencyOptions {
  /**
   * Reads and listings at the same time, and as many writes: they wait in two rows, because who copies holds a read while it writes. A
   * read counts until its body was read or destroyed.
   */
  concurrency: number
  /** Calls of other kinds (tags, restores, presigned URLs) at the same time, beside those. @defaultValue 4 */
  control?: number
  /**
   * Milliseconds after which one more read may begin when all of them are bodies that nobody takes a byte from, as when two objects of
   * one source are read side by side.
   * @defaultValue 1000
   */
  patienceMs?: number
  /** @defaultValue the machine's clock */
  clock?: Clock
}

/**
 * An adapter with so many calls at the same time, for all who use it together. Who comes first goes first; a signal ends the wait.
 * Health probes do not wait.
 *
 * @example
 * ```ts
 * const gentle = limitConcurrency(bucket, { concurrency: 16 })
 * ```
 * @throws StowageError `configuration` for a number that is no whole one above 0
 */
export function limitConcurrency(adapter: StorageAdapter, options: ConcurrencyOptions): StorageAdapter {
  const { concurrency, control = 4, patienceMs = 1000, clock = systemClock } = options
  assertWhole(adapter.id, 'concurrency', concurrency)
  assertWhole(adapter.id, 'control', control)
  const reads = new Slots(concurrency, patienceMs, clock)
  const rows = {
    read: reads,
    list: reads,
    write: new Slots(concurrency, patienceMs, clock),
    control: new Slots(control, patienceMs, clock),
  }
  const begin: Begin = async ({ operation, kind, signal }) => {
    // A diagnosis makes many calls and lasts; it is for people, one at a time.
    if (operation === 'diagnose') return { end: () => {} }
    const slot = await rows[kind].acquire(signal)
    return {
      down: (body) => {
        slot.toBody()
        onBytesIn(body, () => slot.moved())
        return body
      },
      end: () => slot.release(),
    }
  }
  return new WrappedAdapter(adapter, { begin, probe: (probe, options) => probe(options) })
}

function assertWhole(id: string, field: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return
  throw new StowageError('configuration', `${id}: ${field} must be a whole number above 0.`, { sourceId: id, field })
}
