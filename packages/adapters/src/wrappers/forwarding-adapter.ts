import type {
  AttemptCounts,
  CallOptions,
  Capabilities,
  MultipartOperations,
  SourceType,
  StorageAdapter,
} from '@stowage/core'
import type { Call, Operation } from './call.ts'

/** What a call may be told, as far as who forwards it cares. */
export type ForwardedOptions = (CallOptions & Pick<Call, 'method'>) | undefined

/**
 * An adapter that hands its calls on to another one. What stands around a call, and which adapter it goes to, is said once, in `forward`;
 * calls whose answer is used beyond their end (`get`, `list`, `watch`) are written out by who extends it, and so is `close`.
 */
export abstract class ForwardingAdapter implements StorageAdapter {
  readonly id: string
  readonly type: SourceType

  constructor({ id, type }: Pick<StorageAdapter, 'id' | 'type'>) {
    this.id = id
    this.type = type
  }

  /** The adapter that calls go to now. */
  protected abstract get inner(): StorageAdapter

  /** Makes one call, which is over when the promise settles. */
  protected abstract forward<T>(
    operation: Operation,
    options: ForwardedOptions,
    call: (inner: StorageAdapter) => Promise<T>,
  ): Promise<T>

  abstract readonly get: StorageAdapter['get']
  abstract readonly list: StorageAdapter['list']
  abstract readonly watch: StorageAdapter['watch']
  abstract readonly close: StorageAdapter['close']

  get capabilities(): Capabilities {
    return this.inner.capabilities
  }

  get attempts(): AttemptCounts | undefined {
    return this.inner.attempts
  }

  readonly head: StorageAdapter['head'] = (...given) => this.forward('head', given[1], (inner) => inner.head(...given))
  readonly put: StorageAdapter['put'] = (...given) => this.forward('put', given[2], (inner) => inner.put(...given))
  readonly delete: StorageAdapter['delete'] = (...given) =>
    this.forward('delete', given[1], (inner) => inner.delete(...given))
  readonly deleteMany: StorageAdapter['deleteMany'] = (...given) =>
    this.forward('deleteMany', given[1], (inner) => inner.deleteMany(...given))
  readonly copy: StorageAdapter['copy'] = (...given) => this.forward('copy', given[2], (inner) => inner.copy(...given))
  readonly presign: StorageAdapter['presign'] = (options) =>
    this.forward('presign', options, (inner) => inner.presign(options))
  readonly getTags: StorageAdapter['getTags'] = (...given) =>
    this.forward('getTags', given[1], (inner) => inner.getTags(...given))
  readonly restore: StorageAdapter['restore'] = (...given) =>
    this.forward('restore', given[1], (inner) => inner.restore(...given))
  readonly mountPath: StorageAdapter['mountPath'] = (key) => this.inner.mountPath(key)
  readonly probe: StorageAdapter['probe'] = (options) => this.forward('probe', options, (inner) => inner.probe(options))

  readonly multipart: MultipartOperations = {
    create: (...given) => this.forward('multipart.create', given[1], ({ multipart }) => multipart.create(...given)),
    uploadPart: (...given) =>
      this.forward('multipart.uploadPart', given[4], ({ multipart }) => multipart.uploadPart(...given)),
    uploadPartCopy: (...given) =>
      this.forward('multipart.uploadPartCopy', given[4], ({ multipart }) => multipart.uploadPartCopy(...given)),
    listParts: (...given) =>
      this.forward('multipart.listParts', given[2], ({ multipart }) => multipart.listParts(...given)),
    complete: (...given) =>
      this.forward('multipart.complete', given[3], ({ multipart }) => multipart.complete(...given)),
    abort: (...given) => this.forward('multipart.abort', given[2], ({ multipart }) => multipart.abort(...given)),
    list: (...given) => this.forward('multipart.list', given[1], ({ multipart }) => multipart.list(...given)),
  }
}
