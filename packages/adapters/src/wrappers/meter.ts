import { type Clock, type ErrorCode, onBytesIn, type StorageAdapter, systemClock } from '@stowage/core'
import { inMemory, throughEach } from './bodies.ts'
import type { Begin, Operation, OperationClass } from './call.ts'
import { WrappedAdapter } from './wrapped-adapter.ts'

/** One call as it was measured. Names no key: it can be counted by every field but the numbers. */
export interface MeteredCall {
  sourceId: string
  operation: Operation
  kind: OperationClass
  /** Milliseconds until the store answered. */
  ms: number
  /** Milliseconds until all was over: of a read, until its body was read or destroyed. */
  totalMs: number
  /** Bytes that were handed to the adapter to write. */
  bytesUp: number
  /** Bytes that came. */
  bytesDown: number
  /** How it ended. */
  code: 'ok' | ErrorCode
}

/** Options of {@link meter}. */
export interface MeterOptions {
  /** Told of every call when it is over. It must not throw. */
  onCall: (call: MeteredCall) => void
  /** Asked at each call whether it is to be measured. @defaultValue always */
  isOn?: () => boolean
  /** @defaultValue the machine's clock */
  clock?: Clock
}

const unmeasured = { end: (): void => {} }

/**
 * An adapter that tells of every call: which, how long, how many bytes, how it ended. A page of a listing is a call.
 *
 * @example
 * ```ts
 * const measured = meter(bucket, { onCall: ({ operation, ms, code }) => histogram.observe({ operation, code }, ms) })
 * ```
 */
export function meter(adapter: StorageAdapter, options: MeterOptions): StorageAdapter {
  const { onCall, clock = systemClock } = options
  const begin: Begin = ({ operation, kind }) => {
    if (options.isOn?.() === false) return unmeasured
    const begun = clock.now()
    let answered: number | undefined
    let bytesUp = 0
    let whole = 0
    let bytesDown = 0
    return {
      up: (body) => {
        if (inMemory(body)) {
          whole = body.length
          return body
        }
        return throughEach(body, (chunk) => {
          bytesUp += chunk.length
        })
      },
      down: (body) => {
        answered = clock.now()
        onBytesIn(body, (bytes) => {
          bytesDown += bytes
        })
        return body
      },
      end: ({ error, nothing }) => {
        if (nothing === true) return
        const now = clock.now()
        onCall({
          sourceId: adapter.id,
          operation,
          kind,
          ms: (answered ?? now) - begun,
          totalMs: now - begun,
          // What lay in memory went up whole, or nobody knows how much of it did.
          bytesUp: error === undefined ? bytesUp + whole : bytesUp,
          bytesDown,
          code: error?.code ?? 'ok',
        })
      },
    }
  }
  return new WrappedAdapter(adapter, { begin })
}
