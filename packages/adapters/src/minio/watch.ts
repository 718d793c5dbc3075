import { type EventGap, type ObjectEvent, toStowageError, type WatchOptions } from '@stowage/core'
import type { Listening } from '../s3/index.ts'
import { EventQueue, ExactBody } from '../shared/index.ts'
import { readEvents } from './events.ts'

/** Seconds between signs of life that the server is asked for. */
const pingSeconds = 5
/**
 * Milliseconds without any byte after which the connection is given up. MinIO keeps answer, events and signs of life in a buffer until they
 * are some kilobytes (seen of 2026-02: it loses the flush), so silence says little.
 */
const silenceMs = 60_000
/** Milliseconds after which a connection that was asked for is taken to stand, though nothing may have come back. */
const standsMs = 1000
/** Milliseconds before another connection is tried: at first, and at most. */
const [firstPauseMs, longestPauseMs] = [200, 10_000]

/**
 * What happens to the objects of a bucket, from MinIO's notification stream: `GET /bucket?events=…`, an answer without end of one JSON object a
 * line. A connection that ends is made again, and the gap is told.
 */
export async function* watchBucket(
  context: Listening,
  options: WatchOptions,
): AsyncGenerator<(ObjectEvent | EventGap)[]> {
  const { connection } = context
  connection.begin(options.signal)
  const stop = new AbortController()
  const queue = new EventQueue(connection.clock, options.signal)
  const onAbort = (): void => stop.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) stop.abort()
  const listening = listen(context, options.prefix ?? '', queue, stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) queue.fail(toStowageError(error))
  })
  try {
    yield* queue.read()
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    stop.abort()
    await listening
  }
}

/** Listens until the signal fires. @throws StowageError for what will not get better */
async function listen(context: Listening, prefix: string, queue: EventQueue, signal: AbortSignal): Promise<void> {
  const { connection } = context
  let pause = firstPauseMs
  for (let tries = 1; ; tries++) {
    const ended = new AbortController()
    // Events may have been lost with the connection before, also where nothing of it was heard.
    let told = tries === 1
    const tell = (): void => {
      if (!told) queue.gap()
      told = true
    }
    connection.clock.sleep(standsMs, AbortSignal.any([signal, ended.signal])).then(tell, () => undefined)
    try {
      const body = await open(context, prefix, signal)
      tell()
      pause = firstPauseMs
      for await (const event of readEvents(body)) if (event.key.startsWith(prefix)) queue.push(event)
    } catch (thrown) {
      if (signal.aborted) return
      const error = toStowageError(thrown, signal)
      // A stream that was cut is what happens to streams; everything else must be worth another try.
      if (error.code !== 'integrity' && !error.retryable) throw error
    } finally {
      ended.abort()
    }
    await connection.clock.sleep(pause, signal)
    pause = Math.min(longestPauseMs, pause * 2)
  }
}

async function open({ adapter, connection }: Listening, prefix: string, signal: AbortSignal): Promise<ExactBody> {
  const events = ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'].map((name) => `events=${encodeURIComponent(name)}`)
  // Sorted by name, as signatures want it.
  const query = [...events, `ping=${pingSeconds}`, `prefix=${encodeURIComponent(prefix)}`, 'suffix='].join('&')
  const source = await connection.listen(query.replaceAll('*', '%2A'), signal)
  return new ExactBody(source, {
    // It ends only by being cut.
    length: Number.MAX_SAFE_INTEGER,
    what: `${adapter.id}: the notifications of bucket ${connection.bucket}`,
    signal,
    stallMs: silenceMs,
    mapError: (error) => connection.mapError(error, undefined),
  })
}
