import { Readable } from 'node:stream'
import type { ByteSource } from '@stowage/core'
import { aborted } from './body.ts'

/**
 * The chunks of a body, whether it lies in memory or streams. Ends with `aborted` as soon as the signal fires, also when the body
 * delivers nothing; the body is destroyed when it was not read to its end.
 */
export async function* chunksOf(body: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (signal?.aborted) throw aborted(signal)
  if (body instanceof Uint8Array) {
    if (body.length > 0) yield body
    return
  }
  if (signal === undefined) {
    yield* body
    return
  }
  if (body instanceof Readable) yield* readableUntil(body, signal)
  else yield* iterableUntil(body, signal)
}

async function* readableUntil(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const onAbort = (): void => {
    body.destroy(aborted(signal))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    yield* body as AsyncIterable<Uint8Array>
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function* iterableUntil(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  let onAbort = (): void => {}
  const fired = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(aborted(signal))
  })
  fired.catch(() => {})
  signal.addEventListener('abort', onAbort, { once: true })
  let ended = false
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), fired])
      if (next.done) {
        ended = true
        return
      }
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Not awaited: an iterator that hangs in `next` would hang here too.
    if (!ended) iterator.return?.()?.then(undefined, () => {})
  }
}
