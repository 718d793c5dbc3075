import type { Exchange, Flow, HeaderList, PageQuestion, PageReply } from '../../shared/index.ts'
import { type ChecksumFields, checksumHeaders } from '../checksum-fields.ts'
import type {
  BeginRequest,
  CompleteRequest,
  DataPath,
  GetAnswer,
  HeadAnswer,
  Pinned,
  PutRequest,
  WriteAnswer,
} from '../data-path.ts'
import { encryptionHeaderNames } from '../encryption.ts'
import type { HeaderFields } from '../headers.ts'
import type { S3Dialect } from '../quirks.ts'
import { bytesBody, type UploadBody } from '../upload-body.ts'
import { errorOf } from './answer-error.ts'
import { encodeKey, encodePart } from './encoding.ts'
import { parsePage } from './list-parser.ts'
import { type LeanOptions, Transport } from './transport.ts'
import { completeXml, readCompleted, readUploadId } from './upload-xml.ts'

const headerNames = {
  ContentType: 'content-type',
  CacheControl: 'cache-control',
  ContentDisposition: 'content-disposition',
  ContentEncoding: 'content-encoding',
  ContentLanguage: 'content-language',
  Tagging: 'x-amz-tagging',
  StorageClass: 'x-amz-storage-class',
  ...encryptionHeaderNames,
} as const satisfies Partial<Record<keyof HeaderFields, string>>

const metadataPrefix = 'x-amz-meta-'

/** The calls on objects without the SDK: requests that are written and signed here, on connections of our own. */
export class LeanPath implements DataPath {
  readonly #transport: Transport
  readonly #root: string
  readonly #bucketPath: string
  readonly #dialect: S3Dialect

  constructor(options: LeanOptions) {
    const { root, bucketPath } = options.address
    this.#transport = new Transport(options)
    this.#root = root
    this.#bucketPath = bucketPath
    this.#dialect = options.dialect
  }

  async head(key: string, pinned: Pinned, flow: Flow): Promise<HeadAnswer> {
    const headers = this.#reading()
    const query = pin(headers, pinned)
    const path = this.#path(key)
    return objectAnswer(await this.#transport.send({ method: 'HEAD', path, query, headers }, flow))
  }

  async get(key: string, range: string | undefined, pinned: Pinned, flow: Flow): Promise<GetAnswer> {
    const headers = this.#reading()
    if (range !== undefined) headers.push('range', range)
    const query = pin(headers, pinned)
    const path = this.#path(key)
    const answer = await this.#transport.send({ method: 'GET', path, query, headers, streams: true }, flow)
    return { ...objectAnswer(answer), ContentRange: answer.header('content-range'), Body: answer }
  }

  async put(key: string, body: UploadBody, request: PutRequest, flow: Flow): Promise<WriteAnswer> {
    const headers: HeaderList = []
    if (request.ifNoneMatch !== undefined) headers.push('if-none-match', request.ifNoneMatch)
    if (request.ifMatch !== undefined) headers.push('if-match', request.ifMatch)
    headers.push('content-type', request.headers.ContentType ?? defaultType)
    pushHeaders(headers, request.headers)
    return this.#write(this.#path(key), '', headers, body, flow)
  }

  async part(key: string, uploadId: string, partNumber: number, body: UploadBody, flow: Flow): Promise<WriteAnswer> {
    const query = `partNumber=${partNumber}&uploadId=${encodePart(uploadId)}`
    return this.#write(this.#path(key), query, ['content-type', defaultType], body, flow)
  }

  async begin(key: string, { headers: fields, whole }: BeginRequest, flow: Flow): Promise<string> {
    const headers: HeaderList = []
    if (fields.ContentType !== undefined) headers.push('content-type', fields.ContentType)
    pushHeaders(headers, fields)
    const { ChecksumAlgorithm, ChecksumType } = whole
    if (ChecksumAlgorithm !== undefined) headers.push('x-amz-checksum-algorithm', ChecksumAlgorithm)
    if (ChecksumType !== undefined) headers.push('x-amz-checksum-type', ChecksumType)
    const path = this.#path(key)
    const answer = await this.#transport.send({ method: 'POST', path, query: 'uploads=', headers }, flow)
    return readUploadId(answer.bytes)
  }

  async complete(key: string, uploadId: string, request: CompleteRequest, flow: Flow): Promise<WriteAnswer> {
    const { parts, whole, ifNoneMatch, ifMatch } = request
    const { ChecksumType, ...checksum } = whole
    const headers: HeaderList = ['content-type', 'application/xml']
    if (ifNoneMatch !== undefined) headers.push('if-none-match', ifNoneMatch)
    if (ifMatch !== undefined) headers.push('if-match', ifMatch)
    if (ChecksumType !== undefined) headers.push('x-amz-checksum-type', ChecksumType)
    pushChecksums(headers, checksum)
    const body = bytesBody(Buffer.from(completeXml(parts)), {})
    const query = `uploadId=${encodePart(uploadId)}`
    const answer = await this.#transport.send({ method: 'POST', path: this.#path(key), query, headers, body }, flow)
    const completed = readCompleted(answer.bytes)
    // A store that joins the parts for long says "200" first and how it went at the end.
    if (completed === 'failed') throw errorOf(answer, 503)
    return { ETag: completed.etag, VersionId: answer.header('x-amz-version-id') }
  }

  async page(question: PageQuestion, flow: Flow): Promise<PageReply> {
    const { maxKeys, prefix, startAfter, delimiter, token } = question
    let query = token === undefined ? '' : `continuation-token=${encodePart(token)}&`
    if (delimiter !== undefined) query += `delimiter=${encodePart(delimiter)}&`
    if (this.#dialect.encodingType) query += 'encoding-type=url&'
    query += `list-type=2&max-keys=${maxKeys}`
    if (prefix !== undefined) query += `&prefix=${encodePart(prefix)}`
    if (startAfter !== undefined) query += `&start-after=${encodePart(startAfter)}`
    const answer = await this.#transport.send({ method: 'GET', path: this.#bucketPath, query, headers: [] }, flow)
    return parsePage(answer.bytes)
  }

  /** Opens an answer of the bucket that is read as it comes. The query is encoded and sorted. */
  listen(query: string, flow: Flow): Promise<Exchange> {
    return this.#transport.send({ method: 'GET', path: this.#bucketPath, query, headers: [], streams: true }, flow)
  }

  /** A URL by which somebody without keys can read an object; see {@link Transport.presign}. */
  presign(
    key: string,
    now: number,
    last: (expiresAt: number | undefined) => number,
  ): Promise<{ url: string; expiresIn: number }> {
    return this.#transport.presign(this.#path(key), now, last)
  }

  close(): void {
    this.#transport.close()
  }

  #path(key: string): string {
    return this.#root + encodeKey(key)
  }

  #reading(): HeaderList {
    return this.#dialect.checksums ? ['x-amz-checksum-mode', 'ENABLED'] : []
  }

  async #write(path: string, query: string, headers: HeaderList, body: UploadBody, flow: Flow): Promise<WriteAnswer> {
    pushChecksums(headers, body.fields)
    const answer = await this.#transport.send({ method: 'PUT', path, query, headers, body }, flow)
    return { ETag: answer.header('etag'), VersionId: answer.header('x-amz-version-id') }
  }
}

/** What the SDK writes where the caller names no type; so both ways make the same objects. */
const defaultType = 'application/octet-stream'

/** Asks for one state of an object. Returns the query for it. */
function pin(headers: HeaderList, { ifMatch, versionId }: Pinned): string {
  if (ifMatch !== undefined) headers.push('if-match', ifMatch)
  return versionId === undefined ? '' : `versionId=${encodePart(versionId)}`
}

function pushChecksums(list: HeaderList, fields: ChecksumFields): void {
  for (const name of Object.keys(fields) as (keyof ChecksumFields)[]) {
    const value = fields[name]
    if (value !== undefined) list.push(checksumHeaders[name], value)
  }
}

/** All but the type. */
function pushHeaders(list: HeaderList, fields: HeaderFields): void {
  for (const name of Object.keys(headerNames) as (keyof typeof headerNames)[]) {
    const value = fields[name]
    if (value !== undefined && name !== 'ContentType') list.push(headerNames[name], String(value))
  }
  if (fields.Metadata === undefined) return
  for (const [name, value] of Object.entries(fields.Metadata)) list.push(metadataPrefix + name, value)
}

/** The headers of an answer, as the SDK names them. */
function objectAnswer(answer: Exchange): HeadAnswer {
  const length = answer.header('content-length')
  const tagCount = answer.header('x-amz-tagging-count')
  const modified = Date.parse(answer.header('last-modified') ?? '')
  const metadata: Record<string, string> = {}
  for (const name of Object.keys(answer.headers)) {
    if (name.startsWith(metadataPrefix)) metadata[name.slice(metadataPrefix.length)] = answer.header(name) ?? ''
  }
  return {
    ContentLength: length === undefined ? undefined : Number(length),
    ETag: answer.header('etag'),
    LastModified: Number.isNaN(modified) ? undefined : new Date(modified),
    VersionId: answer.header('x-amz-version-id'),
    ContentType: answer.header('content-type'),
    CacheControl: answer.header('cache-control'),
    ContentDisposition: answer.header('content-disposition'),
    ContentEncoding: answer.header('content-encoding'),
    ContentLanguage: answer.header('content-language'),
    Metadata: metadata,
    StorageClass: answer.header('x-amz-storage-class'),
    TagCount: tagCount === undefined ? undefined : Number(tagCount),
    Restore: answer.header('x-amz-restore'),
    ArchiveStatus: answer.header('x-amz-archive-status'),
    ChecksumCRC32: answer.header('x-amz-checksum-crc32'),
    ChecksumCRC32C: answer.header('x-amz-checksum-crc32c'),
    ChecksumCRC64NVME: answer.header('x-amz-checksum-crc64nvme'),
    ChecksumSHA256: answer.header('x-amz-checksum-sha256'),
    ChecksumType: answer.header('x-amz-checksum-type'),
  }
}
