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
  type PresignedRequest,
  type PresignOptions,
  type ProbeOptions,
  type ProbeResult,
  type PutOptions,
  type PutResult,
  type RestoreOptions,
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
import type { OssContext } from './context.ts'
import { Control } from './control.ts'
import { copyObject } from './copying.ts'
import { deleteObject, deleteObjects } from './deleting.ts'
import { diagnoseOss } from './doctor.ts'
import { encryptionHeaders } from './encryption.ts'
import { listObjects } from './listing.ts'
import { ossMultipart } from './multipart.ts'
import { getObject, headObject, putObject } from './objects.ts'
import { type OssOptions, ossCapabilities } from './options.ts'
import { presignRequest } from './presign.ts'
import { ossProbeSteps } from './probe.ts'
import { getTags } from './tags.ts'
import { Transport } from './transport.ts'

/**
 * A bucket of Alibaba Cloud OSS.
 *
 * Needs the optional peer `ali-oss`, which is loaded at the first create-only write or restore, and with `assumeRole`.
 *
 * @example
 * ```ts
 * const bucket = oss({ id: 'oss-hz', region: 'cn-hangzhou', bucket: 'datasets', accessKey, secretKey })
 * for await (const page of bucket.list({ prefix: 'raw/' })) console.log(page.objects)
 * ```
 * @throws StowageError `configuration` when an option is missing or wrong
 */
export function oss(options: OssOptions): StorageAdapter {
  const adapter = new OssAdapter(options)
  return options.readOnly === true ? readOnly(adapter) : adapter
}

class OssAdapter implements StorageAdapter, Called {
  readonly id: string
  readonly type = 'oss'
  readonly capabilities: Capabilities
  readonly multipart: MultipartOperations
  readonly #context: OssContext
  readonly #probing: Probing

  constructor(options: OssOptions) {
    this.id = options.id
    this.capabilities = ossCapabilities(options)
    const transport = new Transport(this, options)
    this.#context = {
      adapter: this,
      transport,
      control: new Control(this, transport, options),
      encryption: encryptionHeaders(options.id, options.encryption),
    }
    this.#probing = {
      adapter: this,
      clock: transport.clock,
      random: options.random ?? systemRandom,
      steps: ossProbeSteps(this.#context),
    }
    this.multipart = ossMultipart(this.#context)
  }

  get attempts(): AttemptCounts {
    return this.#context.transport.attempts
  }

  async head(key: string, options: HeadOptions = {}): Promise<ObjectInfo> {
    this.#begin(key, options)
    return headObject(this.#context, key, options)
  }

  async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    this.#begin(key, options)
    return getObject(this.#context, key, options)
  }

  async put(key: string, body: ByteSource, options: PutOptions = {}): Promise<PutResult> {
    this.#begin(key, options)
    assertPut(this, options)
    if (body instanceof Uint8Array || options.size !== undefined) return putObject(this.#context, key, body, options)
    const put = (bytes: Uint8Array): Promise<PutResult> => putObject(this.#context, key, bytes, options)
    return putUnknownSize({ adapter: this, multipart: this.multipart, put }, key, body, options)
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<void> {
    this.#begin(key, options)
    assertSupported(this, options.ifMatch === undefined, 'delete with ifMatch')
    return deleteObject(this.#context, key, options)
  }

  async deleteMany(keys: readonly string[], options: CallOptions = {}): Promise<DeleteManyResult> {
    return deleteObjects(this.#context, keys, options)
  }

  list(options: ListOptions = {}): AsyncIterable<ListPage> {
    return listObjects(this.#context, options)
  }

  async copy(sourceKey: string, key: string, options: CopyOptions = {}): Promise<PutResult> {
    this.#begin(key, options)
    assertKey(this, sourceKey)
    return copyObject(this.#context, sourceKey, key, options)
  }

  async presign(options: PresignOptions): Promise<PresignedRequest> {
    return presignRequest(this.#context, options)
  }

  async getTags(key: string, options: HeadOptions = {}): Promise<Record<string, string>> {
    this.#begin(key, options)
    return getTags(this.#context, key, options)
  }

  watch(_options: WatchOptions = {}): AsyncIterable<(ObjectEvent | EventGap)[]> {
    throw notSupported(this, 'watch')
  }

  async restore(key: string, options: RestoreOptions): Promise<void> {
    this.#begin(key, options)
    const { storageClass } = await headObject(this.#context, key, options)
    return this.#context.control.restore(key, options, storageClass)
  }

  mountPath(_key: string): string {
    throw notSupported(this, 'mountPath')
  }

  async probe(options: ProbeOptions = {}): Promise<ProbeResult> {
    return runProbe(this.#probing, options)
  }

  diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
    return diagnoseOss(this.#context, this.#probing.steps, (given) => this.probe(given), options)
  }

  close(): Promise<void> {
    return this.#context.transport.close()
  }

  #begin(key: string, { signal, versionId }: { signal?: AbortSignal; versionId?: string }): void {
    this.#context.transport.begin(signal)
    assertKey(this, key)
    assertSupported(this, versionId === undefined || this.capabilities.versions, 'versionId')
  }
}
