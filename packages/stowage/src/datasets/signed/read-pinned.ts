import { type Clock, type GetResult, type StorageAdapter, StowageError } from '@stowage/core'

/** Failures without a byte in between after which a read fails. */
const TRIES = 5

/** Milliseconds before a read is begun again; doubled with every failure. */
const PAUSE = 250

/**
 * The bytes of one object as it was when it was opened. A connection that breaks is made again at the same byte: a large file is not read anew.
 * @throws StowageError `precondition-failed` when another object lies there by then, or the last failure
 */
export async function* readPinned(
  adapter: StorageAdapter,
  key: string,
  opened: GetResult,
  { clock, signal }: { clock: Clock; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  const { etag, size } = opened.info
  const pin = adapter.capabilities.conditional.get ? { ifMatch: etag } : {}
  let body: GetResult['body'] | undefined = opened.body
  let at = 0
  for (let failures = 0; ; ) {
    try {
      const options = { range: { start: at }, ...pin, ...(signal === undefined ? {} : { signal }) }
      body ??= (await adapter.get(key, options)).body
      for await (const chunk of body) {
        at += chunk.length
        if (chunk.length > 0) failures = 0
        yield chunk
      }
      return
    } catch (error) {
      // Whatever a store says of its own checksum at the end: the digest decides.
      if (at === size) return
      if (!StowageError.isInstance(error) || !error.retryable || ++failures >= TRIES) throw error
      body = undefined
      await clock.sleep(PAUSE * 2 ** failures, signal)
    }
  }
}
