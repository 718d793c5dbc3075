import { type Clock, type StorageAdapter, StowageError, systemClock } from '@stowage/core'
import type { Begin, OperationClass } from './call.ts'
import { Circuit } from './circuit.ts'
import { WrappedAdapter } from './wrapped-adapter.ts'

/** Options of {@link circuitBreaker}. Times in milliseconds. */
export interface CircuitBreakerOptions {
  /** Failures in a row, of one kind of calls, that open its circuit. @defaultValue 5 */
  failures?: number
  /** How long it stays open the first time; the n-th takes n times as long. @defaultValue 10000 */
  openMs?: number
  /** How long at most. @defaultValue 120000 */
  maxOpenMs?: number
  /** Told when a circuit opens or closes. */
  onChange?: (change: { sourceId: string; kind: OperationClass; state: 'open' | 'closed' }) => void
  /** @defaultValue the machine's clock */
  clock?: Clock
}

const kinds: readonly OperationClass[] = ['read', 'write', 'list', 'control']

/**
 * An adapter that stops asking a store which does not answer. After some failures in a row, of transport or of the server, calls of that
 * kind fail at once with `unavailable`, which says when to come back; then one call tries, and the rest follow when it works. What a store
 * answers, such as that there is no such object, is no failure; neither is what its caller gave up.
 *
 * A probe always goes through, and one that passes closes every circuit.
 *
 * @example
 * ```ts
 * const careful = circuitBreaker(bucket, { failures: 5, openMs: 10_000 })
 * ```
 */
export function circuitBreaker(adapter: StorageAdapter, options: CircuitBreakerOptions = {}): StorageAdapter {
  const clock = options.clock ?? systemClock
  const { failures = 5, openMs = 10_000, maxOpenMs = 120_000, onChange } = options
  const circuitOf = (kind: OperationClass): Circuit =>
    new Circuit({ failures, openMs, maxOpenMs }, clock, (state) => onChange?.({ sourceId: adapter.id, kind, state }))
  const circuits = Object.fromEntries(kinds.map((kind) => [kind, circuitOf(kind)])) as Record<OperationClass, Circuit>

  const begin: Begin = ({ operation, kind }) => {
    // Signing asks nobody, and a diagnosis is made of a source that is ill.
    if (operation === 'presign' || operation === 'diagnose') return { end: () => {} }
    const trial = circuits[kind].begin()
    if (typeof trial === 'number') throw refused(adapter.id, kind, trial)
    return {
      down: (body) => {
        trial.answered()
        return body
      },
      end: ({ error }) => {
        if (error === undefined) trial.succeeded()
        else trial.failed(error)
      },
    }
  }
  return new WrappedAdapter(adapter, {
    begin,
    probe: async (probe, options) => {
      const result = await probe(options)
      if (result.ok) for (const kind of kinds) if (kind !== 'write' || result.writable === true) circuits[kind].close()
      return result
    },
  })
}

function refused(id: string, kind: OperationClass, waitMs: number): StowageError {
  const seconds = Math.ceil(waitMs / 1000)
  return new StowageError(
    'unavailable',
    `${id}: not asked: its last calls of the kind "${kind}" failed one after another. It is tried again in ${seconds} s.`,
    { sourceId: id, retryable: true, retryAfterMs: waitMs, hint: 'Read from another source until then.' },
  )
}
