import { Readable } from 'node:stream'
import type { ByteSource } from '@stowage/core'

/**
 * A stream that calls `pass` for each chunk before it goes on, and waits where that returns a promise. Who gives it up destroys what it
 * was made of, also when that delivers nothing.
 */
export function throughEach(
  body: AsyncIterable<Uint8Array>,
  pass: (chunk: Uint8Array) => void | Promise<void>,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      const chunks = body[Symbol.asyncIterator]()
      return {
        next: async () => {
          const next = await chunks.next()
          if (next.done !== true) await pass(next.value)
          return next
        },
        return: async () => {
          if (body instanceof Readable) body.destroy()
          await chunks.return?.()
          return { done: true, value: undefined }
        },
      }
    },
  }
}

/** Whether a body lies in memory, whole. */
export function inMemory(body: ByteSource): body is Uint8Array {
  return body instanceof Uint8Array
}
