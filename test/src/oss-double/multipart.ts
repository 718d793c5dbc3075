import { attributesOf } from './attributes.ts'
import { type Answer, type Call, checkedBody, isoTime, largestPut, nameWriter, numberOf, xmlAnswer } from './call.ts'
import { OssError } from './errors.ts'
import { forbidsOverwrite, objectHeaders, writtenHeaders } from './objects.ts'
import { assertReadable, copySource } from './reading.ts'
import { compareBytes } from './store.ts'
import { assertXml, elementsOf, textOf } from './xml.ts'

/** https://www.alibabacloud.com/help/en/oss/user-guide/limits: parts but the last have 100 KB or more. */
const leastPart = 100 * 1024
const mostParts = 10_000

export function createUpload(call: Call): Answer {
  const { request, bucket, key, now } = call
  bucket.assertOverwrite(key, forbidsOverwrite(call))
  const upload = bucket.createUpload(key, {
    headers: objectHeaders(call),
    attributes: attributesOf(call),
    forbidOverwrite: forbidsOverwrite(call),
    initiated: now,
  })
  return xmlAnswer('InitiateMultipartUploadResult', {
    EncodingType: request.query.get('encoding-type'),
    Bucket: bucket.name,
    Key: nameWriter(request)(key),
    UploadId: upload.id,
  })
}

export async function uploadPart(call: Call): Promise<Answer> {
  const { request, bucket, key, now } = call
  const number = Number(request.query.get('partNumber'))
  if (!Number.isInteger(number) || number < 1 || number > mostParts) {
    throw new OssError('InvalidArgument', `Part number must be an integer between 1 and ${mostParts}, inclusive.`)
  }
  const upload = bucket.upload(key, request.query.get('uploadId'))
  if (request.header('x-oss-copy-source') !== undefined) {
    const source = copySource(call)
    assertReadable(source)
    if (source.target !== undefined) throw new OssError('InvalidArgument', 'The source is a symbolic link.')
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.header('x-oss-copy-source-range') ?? '')
    const [start, end] = [Number(range?.[1]), Number(range?.[2])]
    // A range that is not within the source means all of it.
    const within = range !== null && start <= end && end < source.bytes.length
    const bytes = within ? source.bytes.subarray(start, end + 1) : source.bytes
    const part = bucket.putPart(upload, number, Buffer.from(bytes), now)
    return xmlAnswer(
      'CopyPartResult',
      { ETag: `"${part.etag}"`, LastModified: isoTime(now) },
      { etag: `"${part.etag}"`, 'x-oss-hash-crc64ecma': String(part.crc) },
    )
  }
  const bytes = await checkedBody(call, largestPut)
  // It may have ended while the bytes came.
  bucket.upload(key, upload.id)
  const part = bucket.putPart(upload, number, bytes, now)
  return { headers: { etag: `"${part.etag}"`, 'x-oss-hash-crc64ecma': String(part.crc) } }
}

export function listParts({ request, bucket, key }: Call): Answer {
  const upload = bucket.upload(key, request.query.get('uploadId'))
  const most = numberOf(request, 'max-parts', 1000, 1000)
  const marker = numberOf(request, 'part-number-marker', 0, mostParts)
  const all = [...upload.parts].sort(([a], [b]) => a - b).filter(([number]) => number > marker)
  const page = all.slice(0, most)
  return xmlAnswer('ListPartsResult', {
    EncodingType: request.query.get('encoding-type'),
    Bucket: bucket.name,
    Key: nameWriter(request)(key),
    UploadId: upload.id,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.[0] ?? 0,
    MaxParts: most,
    IsTruncated: page.length < all.length,
    Part: page.map(([number, part]) => ({
      PartNumber: number,
      LastModified: isoTime(part.lastModified),
      ETag: `"${part.etag}"`,
      HashCrc64ecma: String(part.crc),
      Size: part.bytes.length,
    })),
  })
}

export async function completeUpload(call: Call): Promise<Answer> {
  const { request, bucket, key, now } = call
  const xml = (await checkedBody(call, 10 * 1024 * 1024)).toString()
  assertXml(xml)
  const upload = bucket.upload(key, request.query.get('uploadId'))
  const wanted = elementsOf(xml, 'Part').map((part) => ({
    number: Number(textOf(part, 'PartNumber')),
    etag: (textOf(part, 'ETag') ?? '').replaceAll('"', ''),
  }))
  if (wanted.length === 0) throw new OssError('MalformedXML', 'You must name at least one part.')
  if (wanted.some(({ number }, i) => i > 0 && number <= (wanted[i - 1] as { number: number }).number)) {
    throw new OssError('InvalidPartOrder', 'The list of parts was not in ascending order.')
  }
  const parts = wanted.map(({ number, etag }) => {
    const part = upload.parts.get(number)
    if (part === undefined || part.etag !== etag.toUpperCase()) {
      throw new OssError('InvalidPart', 'One or more of the specified parts could not be found or had another ETag.', {
        PartNumber: String(number),
      })
    }
    return part
  })
  const small = parts.findIndex((part, i) => i < parts.length - 1 && part.bytes.length < leastPart)
  if (small >= 0) {
    throw new OssError('EntityTooSmall', 'Your proposed upload smaller than the minimum allowed size.', {
      PartNumber: String(wanted[small]?.number),
    })
  }
  bucket.assertOverwrite(key, upload.forbidOverwrite || forbidsOverwrite(call))
  const object = bucket.put(key, {
    bytes: Buffer.concat(parts.map((part) => part.bytes)),
    headers: upload.headers,
    ...upload.attributes,
    lastModified: now,
    parts: parts.map((part) => part.etag),
  })
  bucket.uploads.delete(upload.id)
  return xmlAnswer(
    'CompleteMultipartUploadResult',
    {
      EncodingType: request.query.get('encoding-type'),
      Location: `http://${request.host}${request.rawPath}`,
      Bucket: bucket.name,
      Key: nameWriter(request)(key),
      ETag: `"${object.etag}"`,
    },
    writtenHeaders(object, call),
  )
}

export function abortUpload({ request, bucket, key }: Call): Answer {
  bucket.uploads.delete(bucket.upload(key, request.query.get('uploadId')).id)
  return { status: 204 }
}

export function listUploads({ request, bucket }: Call): Answer {
  const { query } = request
  const write = nameWriter(request)
  const prefix = query.get('prefix') ?? ''
  const most = numberOf(request, 'max-uploads', 1000, 1000)
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = query.get('upload-id-marker') ?? ''
  const all = [...bucket.uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .filter(({ key, id }) => {
      const order = keyMarker === '' ? 1 : compareBytes(key, keyMarker)
      return order > 0 || (order === 0 && idMarker !== '' && compareBytes(id, idMarker) > 0)
    })
    .sort((a, b) => compareBytes(a.key, b.key) || compareBytes(a.id, b.id))
  const page = all.slice(0, most)
  const last = page.at(-1)
  return xmlAnswer('ListMultipartUploadsResult', {
    EncodingType: query.get('encoding-type'),
    Bucket: bucket.name,
    KeyMarker: write(keyMarker),
    UploadIdMarker: idMarker,
    NextKeyMarker: write(last?.key ?? ''),
    NextUploadIdMarker: last?.id ?? '',
    Prefix: write(prefix),
    MaxUploads: most,
    IsTruncated: page.length < all.length,
    Upload: page.map(({ key, id, initiated, attributes }) => ({
      Key: write(key),
      UploadId: id,
      StorageClass: attributes.storageClass,
      Initiated: isoTime(initiated),
    })),
  })
}
