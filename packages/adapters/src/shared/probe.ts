import { type Clock, type ProbeOptions, type ProbeResult, StowageError, toStowageError } from '@stowage/core'
import type { Called } from './calls.ts'

const defaultTimeoutMs = 5000

/** Runs a probe within its time and tells how it went; never throws. `ask` gets a signal that fires when the time is over. */
export async function probeWithin(
  adapter: Called,
  clock: Clock,
  options: ProbeOptions,
  ask: (signal: AbortSignal) => Promise<void>,
): Promise<ProbeResult> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const over = new AbortController()
  const begun = clock.now()
  const late = clock.sleep(timeoutMs, over.signal).then(() => {
    throw new StowageError('timeout', `${adapter.id}: no answer within ${timeoutMs} ms.`, { sourceId: adapter.id })
  })
  const outside = (): void => over.abort()
  options.signal?.addEventListener('abort', outside, { once: true })
  try {
    if (options.signal?.aborted) outside()
    await Promise.race([ask(over.signal), late])
    return { ok: true, latencyMs: clock.now() - begun }
  } catch (error) {
    return { ok: false, latencyMs: clock.now() - begun, error: toStowageError(error) }
  } finally {
    options.signal?.removeEventListener('abort', outside)
    over.abort()
    late.catch(() => {})
  }
}
