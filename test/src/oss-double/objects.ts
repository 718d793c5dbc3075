import { attributesOf } from './attributes.ts'
import { type Answer, type Call, checkedBody, largestPut, xmlAnswer } from './call.ts'
import { OssError } from './errors.ts'
import { assertReadable, behind, copySource, readRange } from './reading.ts'
import type { StoredObject } from './store.ts'
import { assertXml, textOf } from './xml.ts'

const keptHeaders = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
]
const largestMetadata = 8 * 1024

/** The headers that an object is written with. @throws OssError `InvalidArgument` for too much or ill-named metadata */
export function objectHeaders({ request }: Call): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of keptHeaders) {
    const value = request.header(name)
    if (value !== undefined) headers[name] = value
  }
  let size = 0
  for (const [name, value] of request.headersWith('x-oss-meta-')) {
    if (!/^x-oss-meta-[a-z0-9-]+$/.test(name)) {
      throw new OssError('InvalidArgument', 'User metadata names may have letters, digits and hyphens.')
    }
    size += Buffer.byteLength(name) + Buffer.byteLength(value)
    headers[name] = value
  }
  if (size > largestMetadata) throw new OssError('InvalidArgument', 'The size of user metadata exceeds 8 KB.')
  return headers
}

/** Whether an object of the same key must stay. */
export function forbidsOverwrite({ request }: Call): boolean {
  return request.header('x-oss-forbid-overwrite') === 'true'
}

/** Headers that tell of a write. */
export function writtenHeaders(object: StoredObject, { bucket }: Call): Record<string, string> {
  return {
    etag: `"${object.etag}"`,
    'x-oss-hash-crc64ecma': String(object.crc),
    ...object.encryption,
    ...(bucket.versioning === undefined ? {} : { 'x-oss-version-id': object.versionId }),
  }
}

export async function putObject(call: Call): Promise<Answer> {
  const { bucket, key, now } = call
  if (call.request.header('x-oss-copy-source') !== undefined) return copyObject(call)
  const headers = objectHeaders(call)
  const attributes = attributesOf(call)
  bucket.assertOverwrite(key, forbidsOverwrite(call))
  const bytes = await checkedBody(call, largestPut)
  bucket.assertOverwrite(key, forbidsOverwrite(call))
  const object = bucket.put(key, { bytes, headers, ...attributes, lastModified: now })
  return { headers: writtenHeaders(object, call) }
}

function copyObject(call: Call): Answer {
  const { request, bucket, key, now } = call
  const source = copySource(call)
  assertReadable(source)
  if (source.type === 'Appendable') {
    throw new OssError('OperationNotSupported', 'The operation is not supported for appendable objects.')
  }
  const replaces = request.header('x-oss-metadata-directive')?.toUpperCase() === 'REPLACE'
  const headers = replaces ? objectHeaders(call) : source.headers
  bucket.assertOverwrite(key, forbidsOverwrite(call))
  const attributes = attributesOf(call)
  const replacesTags = request.header('x-oss-tagging-directive')?.toUpperCase() === 'REPLACE'
  const { bytes, target } = source
  const object = bucket.put(key, {
    bytes,
    headers,
    ...attributes,
    tags: replacesTags ? attributes.tags : source.tags,
    lastModified: now,
    // A link is copied as a link.
    ...(target === undefined ? {} : { target }),
  })
  return xmlAnswer(
    'CopyObjectResult',
    { ETag: `"${object.etag}"`, LastModified: new Date(now).toISOString() },
    writtenHeaders(object, call),
  )
}

const overrides: Readonly<Record<string, string>> = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
}

/** GetObject and HeadObject. */
export function readObject(call: Call): Answer {
  const { request, bucket, key } = call
  const found = bucket.find(key, request.query.get('versionId'))
  const object = behind(bucket, found)
  assertConditions(call, object)
  const isHead = request.method === 'HEAD'
  if (!isHead) assertReadable(object)
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    ...found.headers,
    // Of a link, length, entity tag and checksum are those of what it shows; all else is its own.
    ...writtenHeaders(object, call),
    'last-modified': new Date(Math.max(object.lastModified, found.lastModified)).toUTCString(),
    'accept-ranges': 'bytes',
    'x-oss-object-type': found.type,
    'x-oss-storage-class': found.storageClass,
    ...(found.tags.size === 0 ? {} : { 'x-oss-tagging-count': String(found.tags.size) }),
    ...(found.type === 'Appendable' ? { 'x-oss-next-append-position': String(found.bytes.length) } : {}),
    ...(object.restore === undefined ? {} : { 'x-oss-restore': restoreHeader(object.restore) }),
  }
  for (const [parameter, header] of Object.entries(overrides)) {
    const value = request.query.get(parameter)
    if (value !== undefined) headers[header] = value
  }
  if (isHead) return { headers: { ...headers, 'content-length': String(object.bytes.length) } }
  const range = readRange(request, object.bytes.length)
  if (range === undefined) return { headers, body: object.bytes }
  const { start, end } = range
  headers['content-range'] = `bytes ${start}-${end}/${object.bytes.length}`
  return { status: 206, headers, body: object.bytes.subarray(start, end + 1) }
}

function assertConditions({ request }: Call, object: StoredObject): void {
  const named = (header: string): string[] | undefined =>
    request
      .header(header)
      ?.split(',')
      .map((etag) => etag.trim().replace(/^"|"$/g, ''))
  const match = named('if-match')
  if (match !== undefined && !match.includes(object.etag)) {
    throw new OssError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.', {
      Condition: 'If-Match',
    })
  }
  if (named('if-none-match')?.includes(object.etag)) throw new OssError('NotModified', 'Not Modified')
}

function restoreHeader(restore: 'ongoing' | 'done'): string {
  return restore === 'ongoing'
    ? 'ongoing-request="true"'
    : 'ongoing-request="false", expiry-date="Tue, 01 Jan 2030 00:00:00 GMT"'
}

export function deleteObject({ request, bucket, key, now }: Call): Answer {
  const { versionId, isDeleteMarker } = bucket.delete(key, request.query.get('versionId'), now)
  return {
    status: 204,
    headers: {
      ...(versionId === undefined ? {} : { 'x-oss-version-id': versionId }),
      ...(isDeleteMarker ? { 'x-oss-delete-marker': 'true' } : {}),
    },
  }
}

/** RestoreObject. `finishRestores` of the double makes the object readable. */
export async function restoreObject(call: Call): Promise<Answer> {
  const { request, bucket, key } = call
  const xml = (await checkedBody(call, 64 * 1024)).toString()
  if (xml !== '') assertXml(xml)
  const object = bucket.find(key, request.query.get('versionId'))
  if (!/Archive$/.test(object.storageClass)) {
    throw new OssError('OperationNotSupported', 'The operation is not supported for this resource')
  }
  if (object.storageClass === 'Archive' && textOf(xml, 'JobParameters') !== undefined) {
    throw new OssError('MalformedXML', 'JobParameters are for cold archives.')
  }
  if (object.restore === 'ongoing') {
    throw new OssError('RestoreAlreadyInProgress', 'The restore operation is in progress.')
  }
  if (object.restore === 'done') return { status: 200 }
  object.restore = 'ongoing'
  return { status: 202 }
}
