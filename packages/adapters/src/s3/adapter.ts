import {
  type AttemptCounts,
  type ByteSource,
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
  type Place,
  type PresignedRequest,
  type PresignOptions,
  type ProbeOptions,
  type ProbeResult,
  type PutOptions,
  type PutResult,
  type RestoreOptions,
  type SourceType,
  type StorageAdapter,
  systemRandom,
  type WatchOptions,
} from '@stowage/core'
import {
  assertKey,
  assertPut,
  assertSupported,
  type Called,
  notSupported,
  type Probing,
  putUnknownSize,
  runProbe,
} from '../shared/index.ts'
import { readOnly } from '../wrappers/read-only.ts'
import { Connection } from './connection.ts'
import { deleteObject, deleteObjects } from './deleting.ts'
import { diagnoseS3 } from './doctor.ts'
import { encryptionFields } from './encryption.ts'
import { listObjects } from './listing.ts'
import { s3Multipart } from './multipart.ts'
import { copyObject, getObject, getTags, headObject, putObject, type S3Context } from './objects.ts'
import { type S3Options, type S3Profile, s3Profile } from './options.ts'
import { presignRequest } from './presign.ts'
import { s3ProbeSteps } from './probe.ts'
import { applyQuirks } from './quirks.ts'
import { restoreObject } from './restore.ts'

/**
 * A bucket of AWS S3. For MinIO and RustFS use their own adapters: they take fewer keys than S3 does.
 *
 * Needs the optional peers `@aws-sdk/client-s3` and `@aws-sdk/s3-request-presigner`, which are loaded at the first call.
 *
 * @example
 * ```ts
 * const bucket = s3({ id: 'archive', region: 'eu-central-1', bucket: 'datasets' })
 * for await (const page of bucket.list({ prefix: 'raw/' })) console.log(page.objects)
 * ```
 * @throws StowageError `configuration` when an option is missing or wrong
 */
export function s3(options: S3Options): StorageAdapter {
  const adapter = new S3Adapter(options, s3Profile)
  return options.readOnly === true ? readOnly(adapter) : adapter
}

/** An adapter for a store that speaks S3, with what it does differently in its profile. */
export class S3Adapter implements StorageAdapter, Called {
  readonly id: string
  readonly type: SourceType
  readonly capabilities: Capabilities
  readonly multipart: MultipartOperations
  readonly #context: S3Context
  readonly #watch: S3Profile['watch']
  readonly #connection: Connection
  readonly #probing: Probing
  readonly #source: { options: S3Options; profile: S3Profile }

  constructor(options: S3Options, profile: S3Profile) {
    this.id = options.id
    this.type = profile.type
    const encryption = encryptionFields(options.id, options.encryption)
    const quirks = [...profile.quirks, ...(options.quirks ?? [])]
    const { capabilities, dialect } = applyQuirks(options.id, profile.capabilities, quirks)
    this.capabilities = {
      ...capabilities,
      ...(options.encryption === undefined ? {} : { etagIsMd5: false }),
      ...(options.narrowing !== undefined && capabilities.presignedWrites === 'open'
        ? { presignedWrites: 'narrowed' }
        : {}),
    }
    this.#connection = new Connection(this, options, profile, dialect)
    const { storageClasses } = profile
    this.#watch = profile.watch
    this.#context = { adapter: this, connection: this.#connection, dialect, encryption, storageClasses }
    this.#source = { options, profile }
    this.#probing = {
      adapter: this,
      clock: this.#connection.clock,
      random: options.random ?? systemRandom,
      steps: s3ProbeSteps(this.#context),
    }
    this.multipart = s3Multipart(this.#context)
  }

  get attempts(): AttemptCounts {
    return this.#connection.attempts
  }

  async locate(prefix: string): Promise<Place> {
    const server = this.#connection.endpoint.toLowerCase().replace(/^(localhost|\[::1\])(?=:|$)/, '127.0.0.1')
    return { store: `s3://${server}/${this.#connection.bucket}`, path: prefix }
  }

  async head(key: string, options: HeadOptions = {}): Promise<ObjectInfo> {
    this.#begin(key, options.signal, options.versionId)
    return headObject(this.#context, key, options)
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    this.#begin(key, options.signal, options.versionId)
    return getObject(this.#context, key, options)
  }

  async put(key: string, body: ByteSource, options: PutOptions = {}): Promise<PutResult> {
    this.#begin(key, options.signal)
    assertPut(this, options)
    if (!(body instanceof Uint8Array) && options.size === undefined) {
      const put = (bytes: Uint8Array): Promise<PutResult> => putObject(this.#context, key, bytes, options)
      return putUnknownSize({ adapter: this, multipart: this.multipart, put }, key, body, options)
    }
    return putObject(this.#context, key, body, options)
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<void> {
    this.#begin(key, options.signal, options.versionId)
    return deleteObject(this.#context, key, options)
  }

  async deleteMany(keys: readonly string[], options: CallOptions = {}): Promise<DeleteManyResult> {
    return deleteObjects(this.#context, keys, options)
  }

  list(options: ListOptions = {}): AsyncIterable<ListPage> {
    return listObjects(this.#context, options)
  }

  async copy(sourceKey: string, key: string, options: CopyOptions = {}): Promise<PutResult> {
    this.#begin(key, options.signal)
    assertSupported(this, this.capabilities.serverSideCopy !== false, 'copy')
    assertKey(this, sourceKey)
    return copyObject(this.#context, sourceKey, key, options)
  }

  async presign(options: PresignOptions): Promise<PresignedRequest> {
    return presignRequest(this.#context, options)
  }

  async getTags(key: string, options: HeadOptions = {}): Promise<Record<string, string>> {
    assertSupported(this, this.capabilities.tags, 'getTags')
    this.#begin(key, options.signal, options.versionId)
    return getTags(this.#context, key, options)
  }

  watch(options: WatchOptions = {}): AsyncIterable<(ObjectEvent | EventGap)[]> {
    if (this.#watch === undefined) throw notSupported(this, 'watch')
    return this.#watch(this.#context, options)
  }

  async restore(key: string, options: RestoreOptions): Promise<void> {
    assertSupported(this, this.capabilities.archive, 'restore')
    this.#begin(key, options.signal)
    return restoreObject(this.#context, key, options)
  }

  mountPath(_key: string): string {
    throw notSupported(this, 'mountPath')
  }

  async probe(options: ProbeOptions = {}): Promise<ProbeResult> {
    return runProbe(this.#probing, options)
  }

  diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
    const { steps } = this.#probing
    const probe = (given: ProbeOptions): Promise<ProbeResult> => this.probe(given)
    return diagnoseS3({ ...this.#source, context: this.#context, steps, probe }, options)
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  #begin(key: string, signal: AbortSignal | undefined, versionId?: string): void {
    this.#connection.begin(signal)
    assertSupported(this, versionId === undefined || this.capabilities.versions, 'versionId')
    assertKey(this, key)
  }
}
