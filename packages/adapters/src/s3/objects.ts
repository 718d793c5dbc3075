import {
  type ByteSource,
  bodySize,
  type CopyOptions,
  type GetOptions,
  type GetResult,
  type HeadOptions,
  hasCode,
  type ObjectAttributes,
  type ObjectInfo,
  type PutOptions,
  type PutResult,
  runningChecksum,
  StowageError,
} from '@stowage/core'
import {
  answeredRange,
  assertRange,
  assertSize,
  type Called,
  type ChecksumCheck,
  ExactBody,
  preconditionFailed,
  quote,
  rangeBeyondEnd,
  rangeHeader,
  unquote,
  wrongChecksum,
} from '../shared/index.ts'
import { checkedOnRead } from './checksum-fields.ts'
import type { Connection } from './connection.ts'
import type { Pinned } from './data-path.ts'
import type { EncryptionFields } from './encryption.ts'
import { type HeaderFields, headerFields, infoOf } from './headers.ts'
import type { S3Dialect } from './quirks.ts'
import { prepareBody } from './upload-body.ts'

/** What the object calls need. */
export interface S3Context {
  readonly adapter: Called
  readonly connection: Connection
  readonly dialect: S3Dialect
  /** What every write asks for beside the object's own headers. */
  readonly encryption: EncryptionFields
  /** The storage classes that the store knows. @defaultValue any name */
  readonly storageClasses?: readonly string[] | undefined
}

/** A name of metadata that no gateway changes. */
const plainName = /^[a-z0-9-]+$/

/** What a write sends beside its bytes. @throws StowageError `invalid-request` */
export function writeFields(context: S3Context, attributes: ObjectAttributes | undefined): HeaderFields {
  const { adapter, dialect, encryption, storageClasses } = context
  const odd = dialect.anyMetadataName
    ? undefined
    : Object.keys(attributes?.metadata ?? {}).find((name) => !plainName.test(name))
  if (odd !== undefined) {
    throw new StowageError('invalid-request', `${adapter.id}: the store would lose or rename the metadata ${odd}.`, {
      sourceId: adapter.id,
      field: `metadata.${odd}`,
      hint: 'Use letters, digits and "-" in names.',
    })
  }
  const fields = headerFields(adapter, attributes)
  const { StorageClass } = fields
  if (StorageClass !== undefined && storageClasses !== undefined && !storageClasses.includes(StorageClass)) {
    throw new StowageError('invalid-request', `${adapter.id}: the store has no storage class ${StorageClass}.`, {
      sourceId: adapter.id,
      field: 'storageClass',
      hint: `It has: ${storageClasses.join(', ')}.`,
    })
  }
  return { ...fields, ...encryption }
}

export async function headObject(
  { connection }: Pick<S3Context, 'connection'>,
  key: string,
  options: HeadOptions,
): Promise<ObjectInfo> {
  const { ifMatch, versionId, signal } = options
  const pinned = pinnedTo(ifMatch, versionId)
  const answer = await connection.data({ key, signal }, (path, flow) => path.head(key, pinned, flow))
  return infoOf(key, answer.ContentLength ?? 0, answer)
}

export async function getObject(context: S3Context, key: string, options: GetOptions): Promise<GetResult> {
  const { adapter, connection } = context
  const { range, ifMatch, versionId, signal } = options
  if (range !== undefined) assertRange(adapter, key, range)
  const pinned = pinnedTo(ifMatch, versionId)
  const rangeText = range === undefined ? undefined : rangeHeader(range)
  const answer = await connection
    .data({ key, signal }, (path, flow) => path.get(key, rangeText, pinned, flow))
    .catch((error: unknown) => {
      const beyond =
        range !== undefined && StowageError.isInstance(error) && error.message.includes('begins beyond the end')
      throw beyond ? rangeBeyondEnd(adapter, key, range.start, error) : error
    })
  const source = answer.Body
  try {
    const found = answeredRange(adapter, key, range, answer.ContentRange, answer.ContentLength)
    const info = infoOf(key, found.size, answer)
    const check = range === undefined ? checkOf(adapter, key, info.checksums) : undefined
    const body = new ExactBody(source, {
      length: found.length,
      what: `${adapter.id}: ${JSON.stringify(key)}`,
      signal,
      stallMs: connection.stallMs,
      mapError: (error) => connection.mapError(error, key),
      ...(check === undefined ? {} : { onChunk: check.update, onEnd: check.finish }),
    })
    return { info, range: { start: found.start, length: found.length }, body }
  } catch (error) {
    source.destroy()
    throw error
  }
}

/** Holds the bytes of a whole object against a checksum that the store keeps of it, the one that costs least. */
function checkOf(adapter: Called, key: string, checksums: ObjectInfo['checksums']): ChecksumCheck | undefined {
  const algorithm = checkedOnRead.find((one) => checksums?.[one] !== undefined)
  const value = algorithm === undefined ? undefined : checksums?.[algorithm]
  if (algorithm === undefined || value === undefined) return undefined
  const digest = runningChecksum(algorithm)
  return {
    update: (chunk) => digest.update(chunk),
    finish: () => {
      if (digest.value() !== value) throw wrongChecksum(adapter, key, algorithm)
    },
  }
}

export async function putObject(
  context: S3Context,
  key: string,
  body: ByteSource,
  options: PutOptions,
): Promise<PutResult> {
  const { adapter, connection, dialect } = context
  const { checksum, signal, ifNoneMatch, ifMatch } = options
  const headers = writeFields(context, options)
  const size = bodySize(body, options.size)
  assertSize(adapter, key, size, adapter.capabilities.maxPutSize)
  const upload = await prepareBody(adapter, body, { key, size, checksum, signal, byMd5: !dialect.checksums })
  const isConditional = ifNoneMatch !== undefined || ifMatch !== undefined
  const request = { headers, ifNoneMatch, ifMatch: ifMatch === undefined ? undefined : quote(ifMatch) }
  const sent = connection.data(
    { key, signal, repeatable: !isConditional, ...(upload.repeatable ? {} : { attempts: 1 }) },
    (path, flow) => path.put(key, upload, request, flow),
  )
  const answer = await sent.catch((error: unknown) => {
    // What does not exist does not have the etag.
    if (ifMatch === undefined || !hasCode(error, 'not-found')) throw error
    throw preconditionFailed(adapter, key, 'does not exist', error)
  })
  return putResult(answer.ETag, answer.VersionId)
}

export async function copyObject(
  context: S3Context,
  sourceKey: string,
  key: string,
  options: CopyOptions,
): Promise<PutResult> {
  const { adapter, connection } = context
  const replace = options.headers === 'replace'
  const { storageClass } = options
  // The class and the encryption are the copy's own in either case: the store does not take them from the source.
  const headers = writeFields(context, replace ? options : storageClass === undefined ? undefined : { storageClass })
  const answer = await connection.send({ key, signal: options.signal, slow: true }, ({ sdk, client, http }) =>
    client.send(
      new sdk.CopyObjectCommand({
        Bucket: connection.bucket,
        Key: key,
        CopySource: copySource(connection.bucket, sourceKey),
        MetadataDirective: replace ? 'REPLACE' : 'COPY',
        ...(adapter.capabilities.tags ? { TaggingDirective: replace ? 'REPLACE' : 'COPY' } : {}),
        ...headers,
        ...(options.sourceIfMatch === undefined ? {} : { CopySourceIfMatch: quote(options.sourceIfMatch) }),
      }),
      http,
    ),
  )
  return putResult(answer.CopyObjectResult?.ETag, answer.VersionId)
}

export async function getTags(
  { connection }: S3Context,
  key: string,
  options: HeadOptions,
): Promise<Record<string, string>> {
  const { signal, ifMatch } = options
  // The call knows no condition. The version that has the etag now is asked for, where there are versions.
  const versionId =
    ifMatch === undefined ? options.versionId : (await headObject({ connection }, key, options)).versionId
  const answer = await connection.send({ key, signal }, ({ sdk, client, http }) =>
    client.send(
      new sdk.GetObjectTaggingCommand({
        Bucket: connection.bucket,
        Key: key,
        ...(versionId === undefined ? {} : { VersionId: versionId }),
      }),
      http,
    ),
  )
  return Object.fromEntries((answer.TagSet ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']))
}

export function putResult(etag: string | undefined, versionId: string | undefined): PutResult {
  return { etag: unquote(etag), ...(versionId === undefined || versionId === 'null' ? {} : { versionId }) }
}

/** The value of `x-amz-copy-source`: the key encoded, its slashes kept. */
export function copySource(bucket: string, key: string): string {
  return `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
}

function pinnedTo(ifMatch: string | undefined, versionId: string | undefined): Pinned {
  return { ifMatch: ifMatch === undefined ? undefined : quote(ifMatch), versionId }
}
