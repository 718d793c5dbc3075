import { constants } from 'node:fs'
import {
  type ByteSource,
  bodySize,
  type CallOptions,
  type Capabilities,
  type CopyOptions,
  type DeleteManyResult,
  type DeleteOptions,
  type DiagnoseOptions,
  type Diagnosis,
  type EventGap,
  type GetOptions,
  type GetResult,
  type HeadOptions,
  type ListOptions,
  type ListPage,
  type MultipartOperations,
  type ObjectEvent,
  type ObjectInfo,
  type Place as PlaceOf,
  type PresignedRequest,
  type PresignOptions,
  type ProbeOptions,
  type ProbeResult,
  type PutOptions,
  type PutResult,
  type RestoreOptions,
  type StorageAdapter,
  StowageError,
  systemClock,
  systemFiles,
  systemRandom,
  throwIfAborted,
  type WatchOptions,
} from '@stowage/core'
import pLimit from 'p-limit'
import { presigner } from '../presigned/index.ts'
import {
  assertKey,
  assertPresign,
  assertSupported,
  type Called,
  closed,
  EventQueue,
  headersOf,
  notFound,
  notSupported,
  type Probing,
  preconditionFailed,
  resolveRange,
  runProbe,
} from '../shared/index.ts'
import { readOnly } from '../wrappers/read-only.ts'
import type { Context } from './context.ts'
import { deleteObject } from './delete.ts'
import { diagnoseFolder } from './doctor.ts'
import { mapFsError } from './errors.ts'
import { etagOf, type FileStatus, modifiedAt } from './etag.ts'
import { FolderWatch, watchError } from './folder-watch.ts'
import { listPages, RemovedFolders } from './list.ts'
import { KeyLocks } from './locks.ts'
import { filesystemMultipart } from './multipart.ts'
import { Names } from './names.ts'
import { type FilesystemOptions, filesystemCapabilities } from './options.ts'
import { withPatientOpen } from './patient-open.ts'
import { Place } from './place.ts'
import { filesystemProbeSteps } from './probe.ts'
import { publish } from './publish.ts'
import { FileBody, type OpenFile, openForReading, statusOf } from './read.ts'
import { Sidecars } from './sidecars.ts'
import { discard, openTemporary, type Staged, stage } from './stage.ts'
import { sweep } from './sweep.ts'

/** Deletes of one `deleteMany` that run at the same time. */
const deleteConcurrency = 16

/**
 * A folder of this machine as a source: each object a plain file that other programs can read under {@link StorageAdapter.mountPath}.
 *
 * Writes are atomic (a temporary file, then a link or rename), create-only writes also between processes. Conditions on an etag hold
 * among all processes that write through Stowage; a program that writes files by itself asks nobody. POSIX systems only.
 *
 * @example
 * ```ts
 * const disk = filesystem({ id: 'disk', root: './data' })
 * await disk.put('a/b.txt', Buffer.from('hello'), { ifNoneMatch: '*' })
 * ```
 * @throws StowageError `configuration` without a root, `not-supported` on Windows
 */
export function filesystem(options: FilesystemOptions): StorageAdapter {
  const adapter = new FilesystemAdapter(options)
  return options.readOnly === true ? readOnly(adapter) : adapter
}

class FilesystemAdapter implements StorageAdapter, Called {
  readonly id: string
  readonly type = 'filesystem'
  readonly capabilities: Capabilities
  readonly multipart: MultipartOperations
  readonly #context: Context
  readonly #presigned: ((options: PresignOptions) => PresignedRequest) | undefined
  readonly #probing: Probing
  readonly #followLinks: boolean
  readonly #removed = new RemovedFolders()
  #prepared: Promise<void> | undefined
  #closed = false

  constructor(options: FilesystemOptions) {
    this.id = options.id
    assertOptions(options)
    const clock = options.clock ?? systemClock
    const random = options.random ?? systemRandom
    const fs = withPatientOpen(options.fs ?? systemFiles, clock)
    const newId = (): string => random.id(clock.now())
    this.#followLinks = options.symlinks !== 'skip'
    const place = new Place(this, fs, {
      root: options.root,
      followLinks: this.#followLinks,
      create: options.create === true,
    })
    this.capabilities = filesystemCapabilities(place.root, options.pageSize ?? 1000, options.presign !== undefined)
    const base: Omit<Context, 'names'> = {
      adapter: this,
      fs,
      place,
      clock,
      newId,
      sidecars: new Sidecars(fs, place, newId),
      locks: new KeyLocks(fs, place, clock, newId),
      flush: options.durability === 'power',
      chance: () => random.next(),
      prepare: (now) => {
        this.#prepared ??= sweep(this.#context, now).catch((error: unknown) => {
          this.#prepared = undefined
          throw error
        })
        return this.#prepared
      },
    }
    this.#context = { ...base, names: new Names(base) }
    this.#presigned = options.presign === undefined ? undefined : presigner(this, options.presign, clock)
    const steps = filesystemProbeSteps(this.#context, () => this.#begin(undefined))
    this.#probing = { adapter: this, clock, random, steps }
    this.multipart = filesystemMultipart(this.#context, (signal) => this.#begin(signal))
  }

  async locate(prefix: string): Promise<PlaceOf> {
    return { store: 'file:', path: await this.#context.place.realFolder(prefix) }
  }

  head(key: string, options: HeadOptions = {}): Promise<ObjectInfo> {
    return this.#call(key, options.signal, async () => {
      assertSupported(this, options.versionId === undefined, 'versionId')
      const status = await statusOf(this.#context, key)
      if (status === undefined) throw notFound(this, key)
      return this.#info(key, status, options.ifMatch)
    })
  }

  get(key: string, options: GetOptions = {}): Promise<GetResult> {
    return this.#call(key, options.signal, async () => {
      assertSupported(this, options.versionId === undefined, 'versionId')
      return this.#withFile(key, async (file) => {
        const info = await this.#info(key, file.status, options.ifMatch)
        const range = resolveRange(this, key, options.range, info.size)
        throwIfAborted(options.signal)
        return { info, range, body: new FileBody(this.#context, key, file, range, options.signal) }
      })
    })
  }

  put(key: string, body: ByteSource, options: PutOptions = {}): Promise<PutResult> {
    return this.#call(key, options.signal, async () => {
      const headers = headersOf(this, options)
      const size = body instanceof Uint8Array || options.size !== undefined ? bodySize(body, options.size) : undefined
      const { checksum, signal } = options
      const staged = await stage(this.#context, key, body, { size, checksum, signal })
      return this.#publish(key, staged, headers, options)
    })
  }

  delete(key: string, options: DeleteOptions = {}): Promise<void> {
    return this.#call(key, options.signal, async () => {
      assertSupported(this, options.versionId === undefined, 'versionId')
      await deleteObject(this.#context, this.#removed, key, options.ifMatch)
    })
  }

  async deleteMany(keys: readonly string[], options: CallOptions = {}): Promise<DeleteManyResult> {
    this.#begin(options.signal)
    const result: DeleteManyResult = { deleted: [], failed: [] }
    const outcome = async (key: string): Promise<void> => {
      try {
        await this.delete(key, options)
        result.deleted.push(key)
      } catch (error) {
        result.failed.push({ key, error: error as StowageError })
      }
    }
    await pLimit(deleteConcurrency).map(keys, outcome)
    throwIfAborted(options.signal)
    return result
  }

  async *list(options: ListOptions = {}): AsyncGenerator<ListPage> {
    this.#begin(options.signal)
    const most = this.capabilities.listing.pageSize
    const pageSize = Math.max(1, Math.min(options.pageSize ?? most, most))
    for await (const page of listPages(this.#context, this.#removed, this.#followLinks, options, pageSize)) {
      this.#begin(options.signal)
      yield page
    }
  }

  copy(sourceKey: string, key: string, options: CopyOptions = {}): Promise<PutResult> {
    return this.#call(key, options.signal, async () => {
      assertKey(this, sourceKey)
      const replaced = headersOf(this, options)
      return this.#withFile(
        sourceKey,
        async (file) => {
          if (options.sourceIfMatch !== undefined && options.sourceIfMatch !== etagOf(file.status)) {
            throw preconditionFailed(this, sourceKey, 'has changed')
          }
          const kept =
            options.headers === 'replace' ? replaced : await this.#context.sidecars.read(sourceKey, file.status)
          return this.#publish(key, await this.#stageCopy(sourceKey, file), kept, options)
        },
        true,
      )
    })
  }

  async presign(options: PresignOptions): Promise<PresignedRequest> {
    this.#begin(options.signal)
    if (this.#presigned === undefined) {
      assertPresign(this, options)
      throw notSupported(this, 'presigning')
    }
    return this.#presigned(options)
  }

  async getTags(_key: string, _options: HeadOptions = {}): Promise<Record<string, string>> {
    throw notSupported(this, 'getTags')
  }

  async *watch(options: WatchOptions = {}): AsyncGenerator<(ObjectEvent | EventGap)[]> {
    this.#begin(options.signal)
    const queue = new EventQueue(this.#context.clock, options.signal)
    const folders = new FolderWatch(this.#context, queue, options.prefix ?? '')
    try {
      await folders.start().catch((error: unknown) => {
        throw watchError(this.#context, error)
      })
      yield* queue.read()
    } finally {
      folders.close()
    }
  }

  async restore(_key: string, _options: RestoreOptions): Promise<void> {
    throw notSupported(this, 'restore')
  }

  mountPath(key: string): string {
    assertKey(this, key)
    return this.#context.place.pathOf(key)
  }

  probe(options: ProbeOptions = {}): Promise<ProbeResult> {
    return runProbe(this.#probing, options)
  }

  diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
    return diagnoseFolder(this.#context, (given) => this.probe(given), options)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #begin(signal: AbortSignal | undefined): void {
    if (this.#closed) throw closed(this)
    throwIfAborted(signal)
  }

  /** Checks that every call makes, and the one place where errno codes are mapped. */
  async #call<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    this.#begin(signal)
    assertKey(this, key)
    try {
      return await work()
    } catch (error) {
      throw mapFsError(this, error, JSON.stringify(key), key)
    }
  }

  /** Opens the file of a key, and closes it when `work` fails, or always with `close`. */
  async #withFile<T>(key: string, work: (file: OpenFile) => Promise<T>, close = false): Promise<T> {
    const file = await openForReading(this.#context, key)
    if (file === undefined) throw notFound(this, key)
    let result: T
    try {
      result = await work(file)
    } catch (error) {
      await file.handle.close()
      throw error
    }
    if (close) await file.handle.close()
    return result
  }

  async #info(key: string, status: FileStatus, ifMatch: string | undefined): Promise<ObjectInfo> {
    const etag = etagOf(status)
    if (ifMatch !== undefined && ifMatch !== etag) throw preconditionFailed(this, key, 'has changed')
    const headers = await this.#context.sidecars.read(key, status)
    return { ...headers, key, size: Number(status.size), etag, lastModified: modifiedAt(status) }
  }

  async #publish(
    key: string,
    staged: Staged,
    headers: Parameters<typeof publish>[3],
    options: PutOptions,
  ): Promise<PutResult> {
    try {
      throwIfAborted(options.signal)
      return await publish(this.#context, key, staged, headers, options)
    } finally {
      await discard(this.#context, staged.path)
    }
  }

  /** A temporary copy of an open file: where the disk can, by sharing its blocks. */
  async #stageCopy(key: string, file: OpenFile): Promise<Staged> {
    const { fs } = this.#context
    const { handle, path } = await openTemporary(this.#context)
    try {
      try {
        await fs.copyFile(file.path, path, constants.COPYFILE_FICLONE)
        if (this.#context.flush) await handle.datasync()
        const status = await handle.stat({ bigint: true })
        const now = await file.handle.stat({ bigint: true })
        if (etagOf(now) !== etagOf(file.status) || status.size !== now.size) {
          throw new StowageError(
            'source-changed',
            `${this.id}: ${JSON.stringify(key)} was written to while it was copied.`,
            {
              key,
              sourceId: this.id,
            },
          )
        }
        return { path, status }
      } finally {
        await handle.close()
      }
    } catch (error) {
      await discard(this.#context, path)
      throw error
    }
  }
}

function assertOptions(options: FilesystemOptions): void {
  if (typeof options.root !== 'string' || options.root === '') {
    throw new StowageError('configuration', `${options.id}: a filesystem source needs a root.`, { field: 'root' })
  }
  if (process.platform === 'win32') {
    throw new StowageError('not-supported', `${options.id}: the filesystem adapter needs a POSIX system.`, {
      hint: 'Run it in WSL or in a container.',
    })
  }
}
