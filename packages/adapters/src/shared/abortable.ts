import { Readable } from 'node:stream'
import type { ByteSource } from '@stowage/core'
import { aborted } from './body.ts'

/**
 * The chunks of a body, whether it lies in memory or streams. Ends with `aborted` as soon as the signal fires, also when the body
 * delivers nothing; the body is destroyed when it was not read to its end.
 */
export function chunksOf(body: ByteSource, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  if (body instanceof Uint8Array) return only(body, signal)
  if (signal === undefined) return body
  // Not `yield*` in one generator: that would cost a few promises a chunk.
  return body instanceof Readable ? readableUntil(body, signal) : iterableUntil(body, signal)
}

async function* only(bytes: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (signal?.aborted) throw aborted(signal)
  if (bytes.length > 0) yield bytes
}

async function* readableUntil(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (signal.aborted) throw aborted(signal)
  const onAbort = (): void => {
    body.destroy(aborted(signal))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) yield chunk
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function* iterableUntil(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (signal.aborted) throw aborted(signal)
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
