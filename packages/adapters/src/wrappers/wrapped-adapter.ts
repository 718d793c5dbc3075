import type { Readable } from 'node:stream'
import {
  type ByteSource,
  type CallOptions,
  type Capabilities,
  type CopyOptions,
  type DeleteManyResult,
  type DeleteOptions,
  type EventGap,
  type GetOptions,
  type GetResult,
  type HeadOptions,
  type ListOptions,
  type ListPage,
  type MultipartOperations,
  type ObjectEvent,
  type ObjectInfo,
  type PresignedRequest,
  type PresignOptions,
  type ProbeOptions,
  type ProbeResult,
  type PutOptions,
  type PutResult,
  type RestoreOptions,
  type SourceType,
  type StorageAdapter,
  toStowageError,
  type WatchOptions,
} from '@stowage/core'
import { type Begin, type Call, callOf, type Operation, type Passage } from './call.ts'

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
export class WrappedAdapter implements StorageAdapter {
  readonly id: string
  readonly type: SourceType
  readonly multipart: MultipartOperations
  readonly locate?: NonNullable<StorageAdapter['locate']>
  readonly diagnose?: NonNullable<StorageAdapter['diagnose']>
  readonly #inner: StorageAdapter
  readonly #wrapping: Wrapping

  constructor(inner: StorageAdapter, wrapping: Wrapping) {
    this.id = inner.id
    this.type = inner.type
    this.#inner = inner
    this.#wrapping = wrapping
    this.multipart = this.#multipart(inner.multipart)
    // Only where the adapter has them: their absence means something.
    if (inner.locate !== undefined) this.locate = inner.locate.bind(inner)
    if (inner.diagnose !== undefined) {
      const { diagnose } = inner
      const less = wrapping.capabilities?.readOnly === true ? { write: false } : {}
      this.diagnose = (options) =>
        this.#through('diagnose', options, () => diagnose.call(inner, { ...options, ...less }))
    }
  }

  get capabilities(): Capabilities {
    return this.#wrapping.capabilities ?? this.#inner.capabilities
  }

  head(key: string, options?: HeadOptions): Promise<ObjectInfo> {
    return this.#through('head', options, () => this.#inner.head(key, options))
  }

  async get(key: string, options?: GetOptions): Promise<GetResult> {
    const passage = await this.#wrapping.begin(callOf('get', options))
    try {
      const result = await this.#inner.get(key, options)
      const body = passage.down?.(result.body) ?? result.body
      whenClosed(body, (error) => passage.end(error === undefined ? {} : { error: toStowageError(error) }))
      return body === result.body ? result : { ...result, body }
    } catch (error) {
      passage.end({ error: toStowageError(error, options?.signal) })
      throw error
    }
  }

  put(key: string, body: ByteSource, options?: PutOptions): Promise<PutResult> {
    return this.#through('put', options, async (passage) => {
      const sent = await upload(passage, body, options)
      return this.#inner.put(key, sent.body, sent.options)
    })
  }

  delete(key: string, options?: DeleteOptions): Promise<void> {
    return this.#through('delete', options, () => this.#inner.delete(key, options))
  }

  deleteMany(keys: readonly string[], options?: CallOptions): Promise<DeleteManyResult> {
    return this.#through('deleteMany', options, () => this.#inner.deleteMany(keys, options))
  }

  async *list(options?: ListOptions): AsyncGenerator<ListPage> {
    const pages = this.#inner.list(options)[Symbol.asyncIterator]()
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

  copy(sourceKey: string, key: string, options?: CopyOptions): Promise<PutResult> {
    return this.#through('copy', options, () => this.#inner.copy(sourceKey, key, options))
  }

  presign(options: PresignOptions): Promise<PresignedRequest> {
    return this.#through('presign', options, () => this.#inner.presign(options))
  }

  getTags(key: string, options?: HeadOptions): Promise<Record<string, string>> {
    return this.#through('getTags', options, () => this.#inner.getTags(key, options))
  }

  watch(options?: WatchOptions): AsyncIterable<(ObjectEvent | EventGap)[]> {
    return this.#inner.watch(options)
  }

  restore(key: string, options: RestoreOptions): Promise<void> {
    return this.#through('restore', options, () => this.#inner.restore(key, options))
  }

  mountPath(key: string): string {
    return this.#inner.mountPath(key)
  }

  async probe(options?: ProbeOptions): Promise<ProbeResult> {
    if (this.#wrapping.probe !== undefined) return this.#wrapping.probe((o) => this.#inner.probe(o), options)
    const passage = await this.#wrapping.begin(callOf('probe', options))
    const result = await this.#inner.probe(options)
    passage.end(result.error === undefined ? {} : { error: result.error })
    return result
  }

  close(): Promise<void> {
    return this.#inner.close()
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
    options: (CallOptions & Pick<Call, 'method'>) | undefined,
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

  #multipart(inner: MultipartOperations): MultipartOperations {
    return {
      create: (key, options) => this.#through('multipart.create', options, () => inner.create(key, options)),
      uploadPart: (key, uploadId, partNumber, body, options) =>
        this.#through('multipart.uploadPart', options, async (passage) => {
          const sent = await upload(passage, body, options)
          return inner.uploadPart(key, uploadId, partNumber, sent.body, sent.options)
        }),
      uploadPartCopy: (key, uploadId, partNumber, sourceKey, options) =>
        this.#through('multipart.uploadPartCopy', options, () =>
          inner.uploadPartCopy(key, uploadId, partNumber, sourceKey, options),
        ),
      listParts: (key, uploadId, options) =>
        this.#through('multipart.listParts', options, () => inner.listParts(key, uploadId, options)),
      complete: (key, uploadId, parts, options) =>
        this.#through('multipart.complete', options, () => inner.complete(key, uploadId, parts, options)),
      abort: (key, uploadId, options) =>
        this.#through('multipart.abort', options, () => inner.abort(key, uploadId, options)),
      list: (key, options) => this.#through('multipart.list', options, () => inner.list(key, options)),
    }
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
