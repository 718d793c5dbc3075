import { Readable } from 'node:stream'
import type { ListedObject } from '@stowage/core'
import { type Flow, type PageQuestion, type PageReply, unquote } from '../shared/index.ts'
import type {
  BeginRequest,
  CompleteRequest,
  DataPath,
  GetAnswer,
  HeadAnswer,
  Pinned,
  PutRequest,
  WriteAnswer,
} from './data-path.ts'
import { malformed } from './errors.ts'
import { decodeListed } from './headers.ts'
import type { S3Dialect } from './quirks.ts'
import type { S3Client, Sdk } from './sdk.ts'
import { inStoreTime } from './store-time.ts'
import type { UploadBody } from './upload-body.ts'

/** The calls on objects as the AWS SDK makes them. */
export class SdkPath implements DataPath {
  readonly #sdk: Sdk
  readonly #client: S3Client
  readonly #bucket: string
  readonly #dialect: S3Dialect

  constructor(sdk: Sdk, client: S3Client, bucket: string, dialect: S3Dialect) {
    this.#sdk = sdk
    this.#client = client
    this.#bucket = bucket
    this.#dialect = dialect
  }

  head(key: string, pinned: Pinned, flow: Flow): Promise<HeadAnswer> {
    const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#bucket, Key: key, ...pinnedFields(pinned) })
    return this.#client.send(command, { abortSignal: flow.signal })
  }

  async get(key: string, range: string | undefined, pinned: Pinned, flow: Flow): Promise<GetAnswer> {
    const command = new this.#sdk.GetObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      ...pinnedFields(pinned),
      ...(range === undefined ? {} : { Range: range }),
    })
    const { Body, ...answer } = await this.#client.send(command, { abortSignal: flow.signal })
    return { ...answer, Body: Body as Readable }
  }

  put(key: string, body: UploadBody, request: PutRequest, flow: Flow): Promise<WriteAnswer> {
    const { headers, ifNoneMatch, ifMatch } = request
    return sendBody(body, flow, (Body) =>
      this.#client.send(
        new this.#sdk.PutObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          Body,
          ContentLength: body.size,
          ...headers,
          ...body.fields,
          ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
          ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
        }),
        { abortSignal: flow.signal },
      ),
    )
  }

  part(key: string, uploadId: string, partNumber: number, body: UploadBody, flow: Flow): Promise<WriteAnswer> {
    return sendBody(body, flow, (Body) =>
      this.#client.send(
        new this.#sdk.UploadPartCommand({
          Bucket: this.#bucket,
          Key: key,
          UploadId: uploadId,
          PartNumber: partNumber,
          Body,
          ContentLength: body.size,
          ...body.fields,
        }),
        { abortSignal: flow.signal },
      ),
    )
  }

  async begin(key: string, { headers, whole }: BeginRequest, flow: Flow): Promise<string> {
    const input = { Bucket: this.#bucket, Key: key, ...headers, ...whole }
    const { UploadId } = await inStoreTime(() =>
      this.#client.send(new this.#sdk.CreateMultipartUploadCommand(input), { abortSignal: flow.signal }),
    )
    if (UploadId === undefined) throw malformed('it has no id of an upload')
    return UploadId
  }

  complete(key: string, uploadId: string, request: CompleteRequest, flow: Flow): Promise<WriteAnswer> {
    const { parts, whole, ifNoneMatch, ifMatch } = request
    const input = {
      Bucket: this.#bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: [...parts] },
      ...whole,
      ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
      ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
    }
    return inStoreTime(() =>
      this.#client.send(new this.#sdk.CompleteMultipartUploadCommand(input), { abortSignal: flow.signal }),
    )
  }

  async page(question: PageQuestion, flow: Flow): Promise<PageReply> {
    const { maxKeys, prefix, startAfter, delimiter, token } = question
    const command = new this.#sdk.ListObjectsV2Command({
      Bucket: this.#bucket,
      ...(this.#dialect.encodingType ? { EncodingType: 'url' } : {}),
      MaxKeys: maxKeys,
      ...(prefix === undefined ? {} : { Prefix: prefix }),
      ...(startAfter === undefined ? {} : { StartAfter: startAfter }),
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    })
    const answer = await this.#client.send(command, { abortSignal: flow.signal })
    const decode = answer.EncodingType === 'url' ? decodeListed : (text: string): string => text
    const objects = (answer.Contents ?? []).map((row) => {
      const object: ListedObject = {
        key: decode(row.Key ?? ''),
        size: row.Size ?? 0,
        etag: unquote(row.ETag),
        lastModified: row.LastModified?.getTime() ?? 0,
      }
      if (row.StorageClass !== undefined) object.storageClass = row.StorageClass
      return object
    })
    return {
      objects,
      prefixes: (answer.CommonPrefixes ?? []).map((row) => decode(row.Prefix ?? '')),
      isTruncated: answer.IsTruncated,
      keyCount: answer.KeyCount,
      nextToken: answer.NextContinuationToken,
    }
  }
}

function pinnedFields({ ifMatch, versionId }: Pinned): { IfMatch?: string; VersionId?: string } {
  return {
    ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
    ...(versionId === undefined ? {} : { VersionId: versionId }),
  }
}

async function sendBody<T>(
  upload: UploadBody,
  flow: Flow,
  send: (body: Uint8Array | Readable) => Promise<T>,
): Promise<T> {
  const opened = upload.open(flow)
  if (opened instanceof Uint8Array) return send(opened)
  const stream = opened instanceof Readable ? opened : Readable.from(copies(opened), { objectMode: false })
  stream.on('error', (error) => flow.fail(error))
  try {
    const answer = await send(stream)
    if (!stream.readableEnded) throw tooEarly()
    return answer
  } finally {
    // The store answered before it had all bytes: the request ends with the stream.
    if (!stream.readableEnded) {
      stream.destroy()
      flow.cancel()
    }
  }
}

/** When a request lets go of its bytes nobody is told: so it gets its own, since those of the caller may be used again once it is answered. */
function* copies(slices: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const slice of slices) yield Buffer.from(slice)
}

/** A yes to bytes that a store does not have yet is none. */
function tooEarly(): Error {
  return Object.assign(new Error('the store answered before it had all bytes'), { code: 'ECONNRESET' })
}
