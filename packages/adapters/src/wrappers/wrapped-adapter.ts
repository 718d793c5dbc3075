import type { Readable } from 'node:stream'
import {
  type ByteSource,
  type Capabilities,
  type ListOptions,
  type ListPage,
  type ProbeOptions,
  type ProbeResult,
  type StorageAdapter,
  toStowageError,
} from '@stowage/core'
import { type Begin, callOf, type Operation, type Passage } from './call.ts'
import { type ForwardedOptions, ForwardingAdapter } from './forwarding-adapter.ts'

/** What the wrappers do differently from each other. */
export interface Wrapping {
  /** Stands before every call but those on events and paths. */
  readonly begin: Begin
  /** Runs a probe, where that is no call like the others. */
  readonly probe?: (
    probe: (options?: ProbeOptions) => Promise<ProbeResult>,
    options: ProbeOptions | undefined,
  ) => Promise<ProbeResult>
  /** @defaultValue those of the adapter */
  readonly capabilities?: Capabilities
}

/** An adapter around another one, with something before, around and after each of its calls. It keeps the whole contract. */
export class WrappedAdapter extends ForwardingAdapter {
  readonly locate?: NonNullable<StorageAdapter['locate']>
  readonly diagnose?: NonNullable<StorageAdapter['diagnose']>
  protected readonly inner: StorageAdapter
  readonly #wrapping: Wrapping

  constructor(inner: StorageAdapter, wrapping: Wrapping) {
    super(inner)
    this.inner = inner
    this.#wrapping = wrapping
    this.multipart.uploadPart = (key, uploadId, partNumber, body, options) =>
      this.#through('multipart.uploadPart', options, async (passage) => {
        const sent = await upload(passage, body, options)
        return inner.multipart.uploadPart(key, uploadId, partNumber, sent.body, sent.options)
      })
    // Only where the adapter has them: their absence means something.
    if (inner.locate !== undefined) this.locate = inner.locate.bind(inner)
    if (inner.diagnose !== undefined) {
      const { diagnose } = inner
      const less = wrapping.capabilities?.readOnly === true ? { write: false } : {}
      this.diagnose = (options) =>
        this.#through('diagnose', options, () => diagnose.call(inner, { ...options, ...less }))
    }
  }

  override get capabilities(): Capabilities {
    return this.#wrapping.capabilities ?? super.capabilities
  }

  readonly get: StorageAdapter['get'] = async (key, options) => {
    const passage = await this.#wrapping.begin(callOf('get', options))
    try {
      const result = await this.inner.get(key, options)
      const body = passage.down?.(result.body) ?? result.body
      whenClosed(body, (error) => passage.end(error === undefined ? {} : { error: toStowageError(error) }))
      return body === result.body ? result : { ...result, body }
    } catch (error) {
      passage.end({ error: toStowageError(error, options?.signal) })
      throw error
    }
  }

  override readonly put: StorageAdapter['put'] = (key, body, options) =>
    this.#through('put', options, async (passage) => {
      const sent = await upload(passage, body, options)
      return this.inner.put(key, sent.body, sent.options)
    })

  readonly list: StorageAdapter['list'] = (options) => this.#pages(options)

  async *#pages(options: ListOptions | undefined): AsyncGenerator<ListPage> {
    const pages = this.inner.list(options)[Symbol.asyncIterator]()
    let over = false
    let isFirst = true
    try {
      for (;;) {
        const next = await this.#page(pages, isFirst, options?.signal)
        isFirst = false
        if (next.done === true) {
          over = true
          return
        }
        yield next.value
      }
    } finally {
      if (!over) await pages.return?.()
    }
  }

  readonly watch: StorageAdapter['watch'] = (options) => this.inner.watch(options)

  override readonly probe: StorageAdapter['probe'] = async (options) => {
    if (this.#wrapping.probe !== undefined) return this.#wrapping.probe((o) => this.inner.probe(o), options)
    const passage = await this.#wrapping.begin(callOf('probe', options))
    const result = await this.inner.probe(options)
    passage.end(result.error === undefined ? {} : { error: result.error })
    return result
  }

  readonly close: StorageAdapter['close'] = () => this.inner.close()

  protected forward<T>(
    operation: Operation,
    options: ForwardedOptions,
    call: (inner: StorageAdapter) => Promise<T>,
  ): Promise<T> {
    return this.#through(operation, options, () => call(this.inner))
  }

  /** One page is one call: while the caller works on it, nothing is under way. */
  async #page(
    pages: AsyncIterator<ListPage>,
    isFirst: boolean,
    signal: AbortSignal | undefined,
  ): Promise<IteratorResult<ListPage, unknown>> {
    const passage = await this.#wrapping.begin(callOf('list', signal === undefined ? {} : { signal }))
    try {
      const next = await pages.next()
      passage.end(next.done === true && !isFirst ? { nothing: true } : {})
      return next
    } catch (error) {
      passage.end({ error: toStowageError(error, signal) })
      throw error
    }
  }

  async #through<T>(
    operation: Operation,
    options: ForwardedOptions,
    run: (passage: Passage) => Promise<T>,
  ): Promise<T> {
    const passage = await this.#wrapping.begin(callOf(operation, options))
    let result: T
    try {
      result = await run(passage)
    } catch (error) {
      passage.end({ error: toStowageError(error, options?.signal) })
      throw error
    }
    passage.end({})
    return result
  }
}

/** The bytes as the wrapper lets them through. Bytes that became a stream keep their length. */
async function upload<O extends { size?: number }>(
  passage: Passage,
  body: ByteSource,
  options: O | undefined,
): Promise<{ body: ByteSource; options: O | undefined }> {
  const through = passage.up === undefined ? body : await passage.up(body)
  if (through === body || !(body instanceof Uint8Array)) return { body: through, options }
  return { body: through, options: { size: body.length, ...options } as O }
}

/** A body is in use until it was read to its end, failed or was destroyed. */
function whenClosed(body: Readable, tell: (error: Error | undefined) => void): void {
  const over = (): void => tell(body.errored ?? undefined)
  if (body.closed) over()
  else body.once('close', over)
}
