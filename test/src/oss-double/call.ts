import { createHash } from 'node:crypto'
import { OssError } from './errors.ts'
import type { OssRequest } from './request.ts'
import type { Bucket } from './store.ts'
import { writeXml, type XmlElements } from './xml.ts'

/** A verified request on a bucket or on an object. */
export interface Call {
  readonly request: OssRequest
  readonly bucket: Bucket
  /** Empty for the bucket itself. */
  readonly key: string
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Another bucket of the same account, to copy from. @throws OssError `NoSuchBucket` */
  otherBucket(name: string): Bucket
}

/** Largest object of one PutObject, and largest part: 5 GB. */
export const largestPut: number = 5 * 1024 ** 3

/** What a handler answers with. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** An answer of XML. */
export function xmlAnswer(root: string, elements: XmlElements, headers: Readonly<Record<string, string>> = {}): Answer {
  return { headers: { 'content-type': 'application/xml', ...headers }, body: writeXml(root, elements) }
}

/** The body of a call that writes, held against its `Content-MD5`. @throws OssError */
export async function checkedBody({ request }: Call, limit: number): Promise<Buffer> {
  const encoding = request.header('content-encoding') ?? ''
  if (/(^|[\s,])aws-chunked/.test(encoding) || request.header('x-amz-content-sha256')?.startsWith('STREAMING-')) {
    throw new OssError(
      'InvalidArgument',
      'aws-chunked encoding is not supported with the specified x-amz-content-sha256 value.',
    )
  }
  const body = await request.body(limit)
  const announced = request.header('content-md5')
  if (announced !== undefined && createHash('md5').update(body).digest('base64') !== announced) {
    throw new OssError('InvalidDigest', 'The Content-MD5 you specified was invalid.')
  }
  return body
}

/** A time as OSS writes it in XML. */
export function isoTime(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, '.000Z')
}

/** How names are written in an answer: as they are, or percent-encoded when the request asks for that. */
export function nameWriter(request: OssRequest): (name: string) => string {
  const encoding = request.query.get('encoding-type')
  if (encoding === undefined) return (name) => name
  if (encoding !== 'url') throw new OssError('InvalidArgument', 'Encoding-type must be url.')
  return (name) => encodeURIComponent(name)
}

/** A number of the query. @throws OssError `InvalidArgument` */
export function numberOf(request: OssRequest, name: string, fallback: number, most: number): number {
  const text = request.query.get(name)
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > most) {
    throw new OssError('InvalidArgument', `Argument ${name} must be an integer between 0 and ${most}.`)
  }
  return value
}

/** Names of the query that say nothing of the object: `undefined` when empty. */
export function textOfQuery(request: OssRequest, name: string): string | undefined {
  return request.query.get(name) || undefined
}
