import { type Answer, type Call, isoTime, nameWriter, numberOf, textOfQuery, xmlAnswer } from './call.ts'
import { OssError } from './errors.ts'
import { compareBytes, type StoredObject } from './store.ts'
import type { XmlElements } from './xml.ts'

const owner = { ID: '1234567890', DisplayName: '1234567890' }

interface Page {
  objects: { key: string; object: StoredObject }[]
  prefixes: string[]
  /** The last name of the page, when more follow. */
  next: string | undefined
}

/** The names above `after`, folded at the delimiter, at most so many. */
function pageOf({ bucket }: Call, prefix: string, delimiter: string, after: string, most: number): Page {
  const page: Page = { objects: [], prefixes: [], next: undefined }
  let last: string | undefined
  for (const key of bucket.keysFrom(compareBytes(prefix, after) > 0 ? prefix : after)) {
    if (!key.startsWith(prefix)) {
      // All that begin with the prefix follow one another; a position may come before them.
      if (compareBytes(key, prefix) > 0) break
      continue
    }
    const object = bucket.current(key)
    if (object === undefined) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const name = cut < 0 ? key : key.slice(0, cut + delimiter.length)
    // A folder that the position names was told already.
    if (compareBytes(name, after) <= 0 || compareBytes(key, after) <= 0 || name === last) continue
    if (page.objects.length + page.prefixes.length === most) {
      page.next = last
      break
    }
    last = name
    if (cut < 0) page.objects.push({ key, object })
    else page.prefixes.push(name)
  }
  return page
}

/** GetBucket (ListObjects): by marker. */
export function listObjects(call: Call): Answer {
  const { request, bucket } = call
  const write = nameWriter(request)
  const { prefix, delimiter, most } = common(call)
  const marker = request.query.get('marker') ?? ''
  const page = pageOf(call, prefix, delimiter, marker, most)
  return xmlAnswer('ListBucketResult', {
    EncodingType: request.query.get('encoding-type'),
    Name: bucket.name,
    Prefix: write(prefix),
    Marker: write(marker),
    MaxKeys: most,
    Delimiter: write(delimiter),
    IsTruncated: page.next !== undefined,
    NextMarker: page.next === undefined ? undefined : write(page.next),
    Contents: contents(page, write, true),
    CommonPrefixes: page.prefixes.map((name) => ({ Prefix: write(name) })),
  })
}

/** ListObjectsV2: by continuation token. */
export function listObjectsV2(call: Call): Answer {
  const { request, bucket } = call
  const write = nameWriter(request)
  const { prefix, delimiter, most } = common(call)
  const token = textOfQuery(request, 'continuation-token')
  const startAfter = request.query.get('start-after') ?? ''
  const after = token === undefined ? startAfter : readToken(token)
  const page = pageOf(call, prefix, delimiter, after, most)
  return xmlAnswer('ListBucketResult', {
    EncodingType: request.query.get('encoding-type'),
    Name: bucket.name,
    Prefix: write(prefix),
    StartAfter: startAfter === '' ? undefined : write(startAfter),
    ContinuationToken: token === undefined ? undefined : write(token),
    MaxKeys: most,
    Delimiter: write(delimiter),
    IsTruncated: page.next !== undefined,
    NextContinuationToken: page.next === undefined ? undefined : write(writeToken(page.next)),
    Contents: contents(page, write, request.query.get('fetch-owner') === 'true'),
    CommonPrefixes: page.prefixes.map((name) => ({ Prefix: write(name) })),
    KeyCount: page.objects.length + page.prefixes.length,
  })
}

function common({ request }: Call): { prefix: string; delimiter: string; most: number } {
  const most = numberOf(request, 'max-keys', 100, 1000)
  if (most === 0) throw new OssError('InvalidArgument', 'Argument maxKeys must be an integer between 1 and 1000.')
  return { prefix: request.query.get('prefix') ?? '', delimiter: request.query.get('delimiter') ?? '', most }
}

function contents(page: Page, write: (name: string) => string, withOwner: boolean): XmlElements[] {
  return page.objects.map(({ key, object }) => ({
    Key: write(key),
    LastModified: isoTime(object.lastModified),
    ETag: `"${object.etag}"`,
    Type: object.type,
    Size: object.bytes.length,
    StorageClass: object.storageClass,
    ...(withOwner ? { Owner: owner } : {}),
  }))
}

/** ListObjectVersions (GetBucketVersions). */
export function listVersions(call: Call): Answer {
  const { request, bucket } = call
  const write = nameWriter(request)
  const { prefix, most } = common(call)
  const keyMarker = request.query.get('key-marker') ?? ''
  const versionMarker = request.query.get('version-id-marker') ?? ''
  const rows = bucket
    .keys()
    .filter((key) => key.startsWith(prefix))
    .flatMap((key) => bucket.versions(key).map((version, index) => ({ key, version, isLatest: index === 0 })))
  const known = rows.findIndex((row) => row.key === keyMarker && row.version.versionId === versionMarker)
  const from =
    known >= 0 ? known + 1 : rows.findIndex(({ key }) => keyMarker === '' || compareBytes(key, keyMarker) > 0)
  const rest = from < 0 ? [] : rows.slice(from)
  const page = rest.slice(0, most)
  const last = page.at(-1)
  const isTruncated = page.length < rest.length
  const row = ({ key, version, isLatest }: (typeof page)[number]): XmlElements => ({
    Key: write(key),
    VersionId: version.versionId,
    IsLatest: isLatest,
    LastModified: isoTime(version.lastModified),
    Owner: owner,
  })
  return xmlAnswer('ListVersionsResult', {
    EncodingType: request.query.get('encoding-type'),
    Name: bucket.name,
    Prefix: write(prefix),
    KeyMarker: write(keyMarker),
    VersionIdMarker: versionMarker,
    MaxKeys: most,
    Delimiter: '',
    IsTruncated: isTruncated,
    NextKeyMarker: isTruncated ? write(last?.key ?? '') : undefined,
    NextVersionIdMarker: isTruncated ? last?.version.versionId : undefined,
    DeleteMarker: page.filter(({ version }) => version.isDeleteMarker).map(row),
    Version: page
      .filter(({ version }) => !version.isDeleteMarker)
      .map((one) => ({
        ...row(one),
        ETag: `"${one.version.etag}"`,
        Type: one.version.type,
        Size: one.version.bytes.length,
        StorageClass: one.version.storageClass,
      })),
  })
}

function writeToken(name: string): string {
  return Buffer.from(name).toString('base64')
}

function readToken(token: string): string {
  const name = Buffer.from(token, 'base64').toString('utf8')
  if (writeToken(name) !== token) throw new OssError('InvalidArgument', 'The continuation token is incorrect.')
  return name
}
