import { StowageError } from '@stowage/core'
import { aborted } from './body.ts'
import { Flow } from './flow.ts'
import type { Where } from './store-error.ts'

/** Milliseconds for calls in which the store itself moves the bytes and may be silent for long: copies and completions. */
const slowCallMs = 600_000

/** How a request is sent, whatever it asks for. */
export interface SendOptions {
  key?: string | undefined
  signal?: AbortSignal | undefined
  /** Whether it may be sent again when its answer was lost. @defaultValue true */
  repeatable?: boolean
  /** Attempts, when not as many as usual: 1 for a body that can be read once. */
  attempts?: number
  /** The store may take its time. */
  slow?: boolean
}

/** What one attempt needs besides its request. */
export interface AttemptOptions {
  signal: AbortSignal | undefined
  slow: boolean | undefined
  /** Milliseconds without a byte in either direction after which it fails. */
  inactivityMs: number
  where: Where
  mapError: (error: unknown) => StowageError
}

/** Runs one attempt of a request, which ends with the caller's signal and when no bytes move for too long. @throws StowageError */
export async function runAttempt<T>(options: AttemptOptions, request: (flow: Flow) => Promise<T>): Promise<T> {
  const { signal, slow, inactivityMs, where, mapError } = options
  if (signal?.aborted) throw aborted(signal)
  const silenceMs = slow === true ? Math.max(slowCallMs, inactivityMs) : inactivityMs
  const flow = new Flow(silenceMs, () => silent(where, silenceMs))
  const onAbort = (): void => flow.fail(aborted(signal))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await request(flow)
  } catch (error) {
    throw mapError(flow.failure ?? error)
  } finally {
    flow.over()
    signal?.removeEventListener('abort', onAbort)
  }
}

function silent({ id, bucket, endpoint, key }: Where, ms: number): StowageError {
  const subject = key === undefined ? `bucket ${bucket}` : JSON.stringify(key)
  return new StowageError('timeout', `${id}: ${subject} at ${endpoint}: no bytes moved for ${ms} ms.`, {
    sourceId: id,
    ...(key === undefined ? {} : { key }),
  })
}
