import { hasCode, StowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'

/** Milliseconds without progress after which a source is asked whether it is there at all. */
export const UPLOAD_STALL = 10_000

/** What says that a source could not take what was sent, whatever was sent. */
const lost = ['unavailable', 'timeout', 'throttled', 'access-denied', 'bucket-not-found'] as const

/** A source took nothing for long, and answered no probe. */
class LostSource extends StowageError {
  constructor(sourceId: string, ms: number, cause?: unknown) {
    super('unavailable', `Source "${sourceId}" took nothing for ${ms} ms and does not answer.`, {
      sourceId,
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

/** Whether a failure is the source's, so that another one may do better. One that answers a probe is given no blame. */
export async function isLost(context: Context, sourceId: string, error: unknown, stallMs: number): Promise<boolean> {
  if (error instanceof LostSource || hasCode(error, 'no-space')) return true
  return hasCode(error, ...lost) && !(await isAlive(context, sourceId, stallMs))
}

/**
 * Does work that sends to a source, and ends it when nothing moves any more and the source does not answer a probe either. A limit of time
 * alone would take a slow line for a dead one.
 *
 * @param progress counts anything that moves
 * @throws StowageError `unavailable` when the source was lost, and what the work throws
 */
export async function whileAlive<T>(
  context: Context,
  sourceId: string,
  options: { stallMs: number; signal?: AbortSignal | undefined; progress: () => number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { stallMs, progress } = options
  const over = new AbortController()
  const dead = new AbortController()
  const watch = async (): Promise<void> => {
    const isStill = async (seen: number): Promise<boolean> =>
      progress() === seen && !(await isAlive(context, sourceId, stallMs, over.signal)) && progress() === seen
    for (let seen = progress(); ; seen = progress()) {
      await context.clock.sleep(stallMs, over.signal)
      // Asked twice: on a busy machine an answer may be late.
      if ((await isStill(seen)) && (await isStill(seen))) return dead.abort(new LostSource(sourceId, stallMs))
    }
  }
  watch().catch(() => undefined)
  try {
    return await work(options.signal === undefined ? dead.signal : AbortSignal.any([options.signal, dead.signal]))
  } catch (cause) {
    if (!dead.signal.aborted || options.signal?.aborted) throw cause
    throw new LostSource(sourceId, stallMs, cause)
  } finally {
    over.abort()
  }
}

/** Whether a source answers a probe in time. What is found counts for its health. */
async function isAlive(
  { sources, clock }: Context,
  sourceId: string,
  ms: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const late = new AbortController()
  const answered = new AbortController()
  const asked = sources.probe(sourceId, signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]))
  let isLate = false
  const timer = clock.sleep(ms, answered.signal).then(() => {
    isLate = true
    late.abort()
  })
  timer.catch(() => undefined)
  try {
    // One that ignores the signal is late all the same.
    const result = await Promise.race([asked, timer])
    if (result !== undefined) return result.ok
  } catch (error) {
    if (!isLate && hasCode(error, 'aborted')) throw error
    if (!isLate) return false
  } finally {
    answered.abort()
    asked.catch(() => undefined)
  }
  sources.report(sourceId, { ok: false, code: 'timeout' })
  return false
}
