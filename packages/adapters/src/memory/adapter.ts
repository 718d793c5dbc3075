import { Readable } from 'node:stream'
import {
  type ByteSource,
  bodySize,
  type CallOptions,
  type Capabilities,
  type Checksum,
  type Clock,
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
  type Random,
  type RestoreOptions,
  type StorageAdapter,
  StowageError,
  systemClock,
  systemRandom,
  throwIfAborted,
  type WatchOptions,
} from '@stowage/core'
import { presigner } from '../presigned/index.ts'
import {
  assertKey,
  assertPresign,
  assertSupported,
  type Called,
  checksumCheck,
  chunksOf,
  closed,
  EventQueue,
  ExactBody,
  notFound,
  notSupported,
  type Probing,
  preconditionFailed,
  resolveRange,
  runProbe,
} from '../shared/index.ts'
import { readOnly } from '../wrappers/read-only.ts'
import { attributesOf } from './attributes.ts'
import { memoryMultipart } from './multipart.ts'
import { infoOf, type MemoryObject, MemoryObjects } from './objects.ts'
import { type MemoryOptions, memoryCapabilities } from './options.ts'
import { memoryProbeSteps } from './probe.ts'
import { MemoryUploads } from './uploads.ts'

const chunkBytes = 64 * 1024

/**
 * Objects in this process's memory, for tests and for trying things out.
 *
 * @example
 * ```ts
 * const scratch = memory({ id: 'scratch' })
 * await scratch.put('a.txt', Buffer.from('hello'))
 * ```
 */
export function memory(options: MemoryOptions): StorageAdapter {
  const adapter = new MemoryAdapter(options)
  return options.readOnly === true ? readOnly(adapter) : adapter
}

class MemoryAdapter implements StorageAdapter, Called {
  readonly id: string
  readonly type = 'memory'
  readonly capabilities: Capabilities
  readonly multipart: MultipartOperations
  readonly #objects: MemoryObjects
  readonly #clock: Clock
  readonly #presigned: ((options: PresignOptions) => PresignedRequest) | undefined
  readonly #probing: Probing
  #closed = false

  constructor(options: MemoryOptions) {
    this.id = options.id
    this.#clock = options.clock ?? systemClock
    this.capabilities = memoryCapabilities(options)
    this.#objects = new MemoryObjects(this.#clock)
    this.#presigned = options.presign === undefined ? undefined : presigner(this, options.presign, this.#clock)
    const random: Random = options.random ?? systemRandom
    const steps = memoryProbeSteps(this, this.#clock, () => this.#begin(undefined))
    this.#probing = { adapter: this, clock: this.#clock, random, steps }
    this.multipart = memoryMultipart({
      adapter: this,
      objects: this.#objects,
      uploads: new MemoryUploads(),
      clock: this.#clock,
      newId: () => random.id(this.#clock.now()),
      begin: (signal) => this.#begin(signal),
      read: (key, body, size, checksum, signal) => readBody(this, key, body, size, checksum, signal),
    })
  }

  async head(key: string, options: HeadOptions = {}): Promise<ObjectInfo> {
    return infoOf(key, this.#find(key, options))
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    const object = this.#find(key, options)
    const range = resolveRange(this, key, options.range, object.bytes.length)
    const bytes = object.bytes.subarray(range.start, range.start + range.length)
    const body = new ExactBody(Readable.from(slices(bytes), { objectMode: false, highWaterMark: chunkBytes }), {
      length: range.length,
      what: `${this.id}: ${JSON.stringify(key)}`,
      signal: options.signal,
      mapError: (error) => new StowageError('internal', String(error), { cause: error }),
    })
    return { info: infoOf(key, object), range, body }
  }

  async put(key: string, body: ByteSource, options: PutOptions = {}): Promise<PutResult> {
    this.#begin(options.signal)
    assertKey(this, key)
    const headers = attributesOf(this, options)
    this.#assertCondition(key, options)
    const bytes = await readBody(this, key, body, options.size, options.checksum, options.signal)
    // Again, without a wait between check and write: two calls may have read their bodies side by side.
    this.#assertCondition(key, options)
    return { etag: this.#objects.set(key, bytes, headers).etag }
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<void> {
    this.#begin(options.signal)
    assertKey(this, key)
    assertSupported(this, options.versionId === undefined, 'versionId')
    if (options.ifMatch !== undefined) this.#assertCondition(key, { ifMatch: options.ifMatch })
    this.#objects.delete(key)
  }

  async deleteMany(keys: readonly string[], options: CallOptions = {}): Promise<DeleteManyResult> {
    const result: DeleteManyResult = { deleted: [], failed: [] }
    this.#begin(options.signal)
    for (const key of keys) {
      try {
        await this.delete(key, options)
        result.deleted.push(key)
      } catch (error) {
        result.failed.push({ key, error: error as StowageError })
      }
    }
    return result
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListPage> {
    this.#begin(options.signal)
    const most = this.capabilities.listing.pageSize
    for (const page of this.#objects.pages(options, Math.min(options.pageSize ?? most, most))) {
      this.#begin(options.signal)
      yield page
    }
  }

  async copy(sourceKey: string, key: string, options: CopyOptions = {}): Promise<PutResult> {
    assertKey(this, key)
    const source = this.#find(sourceKey, { ...options, ifMatch: options.sourceIfMatch })
    const headers = options.headers === 'replace' ? attributesOf(this, options) : source.headers
    return { etag: this.#objects.set(key, source.bytes, headers).etag }
  }

  async presign(options: PresignOptions): Promise<PresignedRequest> {
    this.#begin(options.signal)
    if (this.#presigned === undefined) {
      assertPresign(this, options)
      throw notSupported(this, 'presigning')
    }
    return this.#presigned(options)
  }

  async getTags(key: string, options: HeadOptions = {}): Promise<Record<string, string>> {
    return { ...this.#find(key, options).headers.tags }
  }

  async *watch(options: WatchOptions = {}): AsyncGenerator<(ObjectEvent | EventGap)[]> {
    this.#begin(options.signal)
    const queue = new EventQueue(this.#clock, options.signal)
    const end = this.#objects.watch((event) => {
      if (event.key.startsWith(options.prefix ?? '')) queue.push(event)
    })
    try {
      yield* queue.read()
    } finally {
      end()
    }
  }

  async restore(_key: string, _options: RestoreOptions): Promise<void> {
    throw notSupported(this, 'restore')
  }

  mountPath(_key: string): string {
    throw notSupported(this, 'mountPath')
  }

  probe(options: ProbeOptions = {}): Promise<ProbeResult> {
    return runProbe(this.#probing, options)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #begin(signal: AbortSignal | undefined): void {
    if (this.#closed) throw closed(this)
    throwIfAborted(signal)
  }

  #find(
    key: string,
    options: { ifMatch?: string | undefined; versionId?: string; signal?: AbortSignal },
  ): MemoryObject {
    this.#begin(options.signal)
    assertKey(this, key)
    assertSupported(this, options.versionId === undefined, 'versionId')
    const object = this.#objects.get(key)
    if (object === undefined) throw notFound(this, key)
    if (options.ifMatch !== undefined && options.ifMatch !== object.etag)
      throw preconditionFailed(this, key, 'has changed')
    return object
  }

  #assertCondition(key: string, condition: { ifNoneMatch?: '*'; ifMatch?: string }): void {
    const object = this.#objects.get(key)
    if (condition.ifNoneMatch !== undefined && object !== undefined)
      throw preconditionFailed(this, key, 'exists already')
    if (condition.ifMatch !== undefined && object?.etag !== condition.ifMatch) {
      throw preconditionFailed(this, key, object === undefined ? 'does not exist' : 'has changed')
    }
  }
}

/** Reads a body into bytes of our own, checked for length and checksum. */
async function readBody(
  adapter: Called,
  key: string,
  body: ByteSource,
  declared: number | undefined,
  checksum: Checksum | undefined,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { maxPutSize } = adapter.capabilities
  const size = body instanceof Uint8Array || declared !== undefined ? bodySize(body, declared) : undefined
  const most = Math.min(size ?? maxPutSize, maxPutSize)
  if (size !== undefined && size > maxPutSize) throw tooLarge(adapter, key)
  const check = checksum === undefined ? undefined : checksumCheck(adapter, key, checksum)
  const chunks: Uint8Array[] = []
  let at = 0
  for await (const chunk of chunksOf(body, signal)) {
    at += chunk.length
    if (at > most) break
    // A copy: the chunk is its owner's, and may be used again.
    chunks.push(Buffer.from(chunk))
    check?.update(chunk)
  }
  throwIfAborted(signal)
  if (size === undefined && at > maxPutSize) throw tooLarge(adapter, key)
  if (size !== undefined && at !== size) {
    throw new StowageError(
      'integrity',
      `${adapter.id}: ${JSON.stringify(key)} was declared as ${size} bytes and had ${at > size ? 'more' : at}.`,
      {
        key,
        sourceId: adapter.id,
      },
    )
  }
  check?.finish()
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, at)
}

function tooLarge(adapter: Called, key: string): StowageError {
  const { maxPutSize } = adapter.capabilities
  return new StowageError('invalid-request', `${adapter.id}: memory takes ${maxPutSize} bytes at most.`, {
    key,
    sourceId: adapter.id,
  })
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield Buffer.from(bytes.subarray(at, at + chunkBytes))
}
