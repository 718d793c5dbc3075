import { Readable } from 'node:stream'
import {
  type Capabilities,
  compareKeys,
  type ListPage,
  type MultipartOperations,
  type ObjectAttributes,
  type PutOptions,
  type SkippedEntry,
  type StorageAdapter,
  StowageError,
  s3KeyRules,
  throwIfAborted,
  type UploadedPart,
} from '@stowage/core'
import type { Life } from '@stowage/core/testing'
import { type FakeObject, type FakeUpload, makeObject, md5, receive } from './fake-objects.ts'

/** One call of the fake, as hooks see it. */
export interface FakeCall {
  operation: string
  key: string
  signal: AbortSignal | undefined
}

/** How a fake is made. */
export interface FakeAdapterOptions {
  id?: string
  capabilities?: Partial<Capabilities>
  /** Another adapter of the same store: that of another process. */
  sameAs?: FakeAdapter
  /** Rows of a page. @defaultValue 1000 */
  pageSize?: number
  now?: () => number
  /** Called before every call, and may fail it or hold it up. */
  before?: (call: FakeCall) => void | Promise<void>
  /** Called after every call has taken effect, before its answer: a failure here is an answer that was lost. */
  after?: (call: FakeCall) => void | Promise<void>
  /** Changes the bytes of a read. */
  corrupt?: (key: string, bytes: Uint8Array, start: number) => Uint8Array
}

const defaults: Capabilities = {
  conditional: {
    get: true,
    putCreateOnly: true,
    putIfMatch: true,
    completeCreateOnly: true,
    completeIfMatch: true,
    deleteIfMatch: true,
  },
  versions: false,
  checksums: ['crc32', 'md5'],
  multipart: { minPartSize: 1, maxPartSize: 5 * 1024 ** 3, maxParts: 10_000, partCopy: true, listUploads: 'exact-key' },
  maxPutSize: 5 * 1024 ** 3,
  serverSideCopy: { scope: 'source', maxSize: 5 * 1024 ** 3 },
  unknownSize: false,
  presign: [],
  presignedWrites: 'none',
  presignMaxSize: false,
  listing: { delimiter: false, pageSize: 1000 },
  notifications: 'none',
  archive: false,
  tags: false,
  storageClasses: false,
  metadata: 'native',
  etagIsMd5: true,
  mount: false,
  keys: s3KeyRules,
}

/** Lets every call of a fake pass through a life, for its options. */
export function hooksOf(life: Life): Pick<FakeAdapterOptions, 'before' | 'after'> {
  return { before: ({ operation, key }) => life.before(`${operation} ${key}`), after: () => life.after() }
}

/** A whole object store in memory that can fail at every call, and counts what passes. For tests of the sync engine. */
export class FakeAdapter implements StorageAdapter {
  readonly id: string
  readonly type = 'memory' as const
  readonly capabilities: Capabilities
  readonly objects: Map<string, FakeObject>
  readonly uploads: Map<string, FakeUpload>
  /** Entries that the first page of a listing tells of. */
  skipped: SkippedEntry[] = []
  /** Calls by operation. */
  readonly calls: Map<string, number> = new Map()
  bytesIn = 0
  bytesOut = 0
  options: FakeAdapterOptions
  readonly #ids: { last: number }

  constructor(options: FakeAdapterOptions = {}) {
    this.options = options
    this.objects = options.sameAs?.objects ?? new Map()
    this.uploads = options.sameAs?.uploads ?? new Map()
    this.#ids = options.sameAs === undefined ? { last: 0 } : options.sameAs.#ids
    this.id = options.id ?? 'fake'
    this.capabilities = { ...defaults, ...options.capabilities }
  }

  /** Puts an object there without a call. */
  seed(key: string, content: Uint8Array | string, headers: ObjectAttributes = {}): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    this.objects.set(key, makeObject(key, bytes, this.#etag(bytes), this.#now(), headers))
  }

  /** What lies there, as text by key. */
  contents(): Record<string, string> {
    const keys = [...this.objects.keys()].sort(compareKeys)
    return Object.fromEntries(keys.map((key) => [key, Buffer.from(this.#object(key).bytes).toString('latin1')]))
  }

  async head(...[key, options]: Parameters<StorageAdapter['head']>): ReturnType<StorageAdapter['head']> {
    return await this.#call('head', key, options?.signal, () => {
      const { info } = this.#object(key)
      if (options?.ifMatch !== undefined && options.ifMatch !== info.etag) throw failed(key)
      return { ...info, metadata: { ...info.metadata } }
    })
  }

  async get(...[key, options]: Parameters<StorageAdapter['get']>): ReturnType<StorageAdapter['get']> {
    return await this.#call('get', key, options?.signal, () => {
      const { info, bytes } = this.#object(key)
      if (options?.ifMatch !== undefined && options.ifMatch !== info.etag) throw failed(key)
      const start = options?.range?.start ?? 0
      const part = bytes.subarray(start, start + (options?.range?.length ?? bytes.length))
      this.bytesOut += part.length
      const body = this.options.corrupt?.(key, part, start) ?? part
      return {
        info: { ...info, metadata: { ...info.metadata } },
        range: { start, length: part.length },
        body: Readable.from(body.length === 0 ? [] : [Buffer.from(body)]),
      }
    })
  }

  async put(...[key, body, options]: Parameters<StorageAdapter['put']>): ReturnType<StorageAdapter['put']> {
    return await this.#call('put', key, options?.signal, async () => {
      const bytes = await receive(body, options?.size, options?.checksum)
      this.bytesIn += bytes.length
      throwIfAborted(options?.signal)
      if (bytes.length > this.capabilities.maxPutSize) throw new StowageError('invalid-request', 'Too large.', { key })
      this.#checkConditions(key, options)
      this.#checkPlace(key)
      this.objects.set(key, makeObject(key, bytes, this.#etag(bytes), this.#now(), options ?? {}))
      return { etag: this.#object(key).info.etag }
    })
  }

  async delete(...[key, options]: Parameters<StorageAdapter['delete']>): Promise<void> {
    await this.#call('delete', key, options?.signal, () => {
      if (options?.ifMatch !== undefined && this.objects.get(key)?.info.etag !== options.ifMatch) throw failed(key)
      this.objects.delete(key)
    })
  }

  async deleteMany(
    ...[keys, options]: Parameters<StorageAdapter['deleteMany']>
  ): ReturnType<StorageAdapter['deleteMany']> {
    return await this.#call('deleteMany', keys[0] ?? '', options?.signal, () => {
      for (const key of keys) this.objects.delete(key)
      return { deleted: [...keys], failed: [] }
    })
  }

  async *list(options: Parameters<StorageAdapter['list']>[0] = {}): AsyncGenerator<ListPage> {
    const size = Math.min(options.pageSize ?? 1000, this.options.pageSize ?? 1000)
    let after = options.startAfter
    for (let first = true; ; first = false) {
      const page = await this.#call('list', after ?? '', options.signal, () =>
        this.#page(options.prefix ?? '', after, size),
      )
      after = page.at(-1)?.key ?? after
      const skipped =
        first && options.startAfter === undefined && this.skipped.length > 0 ? { skipped: this.skipped } : {}
      yield { objects: page, prefixes: [], ...skipped }
      if (page.length < size) return
    }
  }

  async copy(...[source, key, options]: Parameters<StorageAdapter['copy']>): ReturnType<StorageAdapter['copy']> {
    return await this.#call('copy', key, options?.signal, () => {
      const from = this.#object(source)
      if (options?.sourceIfMatch !== undefined && options.sourceIfMatch !== from.info.etag) throw failed(source)
      const headers = options?.headers === 'replace' ? options : from.info
      this.objects.set(key, makeObject(key, from.bytes, this.#etag(from.bytes), this.#now(), headers))
      return { etag: this.#object(key).info.etag }
    })
  }

  readonly multipart: MultipartOperations = {
    create: (key, options) =>
      this.#call('create', key, options?.signal, () => {
        const uploadId = `upload-${++this.#ids.last}`
        this.uploads.set(uploadId, { key, headers: options ?? {}, initiated: this.#now(), parts: new Map() })
        return { uploadId }
      }),
    uploadPart: (key, uploadId, partNumber, body, options) =>
      this.#call('uploadPart', key, options?.signal, async () => {
        const bytes = await receive(body, options?.size, options?.checksum)
        this.bytesIn += bytes.length
        throwIfAborted(options?.signal)
        return this.#addPart(key, uploadId, partNumber, bytes)
      }),
    uploadPartCopy: (key, uploadId, partNumber, sourceKey, options) =>
      this.#call('uploadPartCopy', key, options.signal, () => {
        const { bytes, info } = this.#object(sourceKey)
        if (options.sourceIfMatch !== undefined && options.sourceIfMatch !== info.etag) throw failed(sourceKey)
        const { start, length } = options.range
        return this.#addPart(key, uploadId, partNumber, bytes.subarray(start, start + length))
      }),
    listParts: (key, uploadId, options) =>
      this.#call('listParts', key, options?.signal, () =>
        [...this.#upload(key, uploadId).parts]
          .sort(([a], [b]) => a - b)
          .map(([partNumber, { etag, bytes }]): UploadedPart => ({ partNumber, etag, size: bytes.length })),
      ),
    complete: (key, uploadId, parts, options) =>
      this.#call('complete', key, options?.signal, () => {
        const upload = this.#upload(key, uploadId)
        this.#checkConditions(key, options)
        this.#checkPlace(key)
        const stored = parts.map(({ partNumber, etag }) => {
          const part = upload.parts.get(partNumber)
          if (part === undefined || part.etag !== etag)
            throw new StowageError('invalid-request', 'No such part.', { key })
          return part
        })
        const etag = `${md5(Buffer.concat(stored.map((part) => Buffer.from(part.etag, 'hex'))))}-${stored.length}`
        const bytes = Buffer.concat(stored.map((part) => part.bytes))
        this.objects.set(key, makeObject(key, bytes, etag, this.#now(), upload.headers))
        this.uploads.delete(uploadId)
        return { etag }
      }),
    abort: (key, uploadId, options) =>
      this.#call('abort', key, options?.signal, () => {
        this.uploads.delete(uploadId)
      }),
    list: (key, options) =>
      this.#call('listUploads', key, options?.signal, () =>
        [...this.uploads]
          .filter(([, upload]) => upload.key === key)
          .map(([uploadId, { initiated }]) => ({ key, uploadId, initiated })),
      ),
  }

  presign(): never {
    throw new StowageError('not-supported', 'The fake presigns nothing.')
  }

  async getTags(...[key, options]: Parameters<StorageAdapter['getTags']>): ReturnType<StorageAdapter['getTags']> {
    if (!this.capabilities.tags) throw new StowageError('not-supported', 'The fake store has no tags.')
    return await this.#call('getTags', key, options?.signal, () => ({ ...this.#object(key).tags }))
  }

  watch(): never {
    throw new StowageError('not-supported', 'The fake store tells of nothing.')
  }

  restore(): never {
    throw new StowageError('not-supported', 'The fake has no archive.')
  }

  mountPath(): never {
    throw new StowageError('not-supported', 'The fake is not mounted.')
  }

  async probe(): ReturnType<StorageAdapter['probe']> {
    return { ok: true, latencyMs: 0, checks: [] }
  }

  async close(): Promise<void> {}

  async #call<T>(
    operation: string,
    key: string,
    signal: AbortSignal | undefined,
    work: () => T | Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal)
    this.calls.set(operation, (this.calls.get(operation) ?? 0) + 1)
    await this.options.before?.({ operation, key, signal })
    throwIfAborted(signal)
    const result = await work()
    await this.options.after?.({ operation, key, signal })
    return result
  }

  #page(prefix: string, after: string | undefined, size: number): ListPage['objects'] {
    return [...this.objects.values()]
      .map(({ info }) => info)
      .filter(({ key }) => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0))
      .sort((a, b) => compareKeys(a.key, b.key))
      .slice(0, size)
      .map(({ key, size, etag, lastModified }) => ({ key, size, etag, lastModified }))
  }

  #object(key: string): FakeObject {
    const object = this.objects.get(key)
    if (object === undefined) throw new StowageError('not-found', `There is no "${key}".`, { key, sourceId: this.id })
    return object
  }

  #upload(key: string, uploadId: string): FakeUpload {
    const upload = this.uploads.get(uploadId)
    if (upload?.key !== key) throw new StowageError('not-found', 'There is no such upload.', { key, sourceId: this.id })
    return upload
  }

  #addPart(key: string, uploadId: string, partNumber: number, bytes: Uint8Array): UploadedPart {
    const etag = md5(bytes)
    this.#upload(key, uploadId).parts.set(partNumber, { bytes, etag })
    return { partNumber, etag, size: bytes.length }
  }

  #checkConditions(key: string, options: Pick<PutOptions, 'ifMatch' | 'ifNoneMatch'> | undefined): void {
    const there = this.objects.get(key)
    if (options?.ifNoneMatch === '*' && there !== undefined) throw failed(key)
    if (options?.ifMatch !== undefined && options.ifMatch !== there?.info.etag) throw failed(key)
  }

  /** As a folder on a disk: no file where a folder is, and none below a file. */
  #checkPlace(key: string): void {
    if (this.capabilities.keys.objectAndFolder) return
    const inTheWay = [...this.objects.keys()].find(
      (other) => other.startsWith(`${key}/`) || key.startsWith(`${other}/`),
    )
    if (inTheWay !== undefined) throw new StowageError('conflict', `"${inTheWay}" is in the way.`, { key })
  }

  #etag(bytes: Uint8Array): string {
    return this.capabilities.etagIsMd5 ? md5(bytes) : `v${++this.#ids.last}`
  }

  #now(): number {
    return this.options.now?.() ?? 0
  }
}

function failed(key: string): StowageError {
  return new StowageError('precondition-failed', `"${key}" is not as expected.`, { key })
}
