import { Readable } from 'node:stream'
import { hasCode, type ObjectInfo, type StorageAdapter, StowageError } from '@stowage/core'
import { attachment } from '../shared/index.ts'
import type { Claims } from './claims.ts'
import { refusal } from './refusal.ts'

/** Answers a read: whole, in part, or not at all when the reader has it already (RFC 9110, sections 13 and 14). */
export async function readObject(adapter: StorageAdapter, claims: Claims, request: Request): Promise<Response> {
  const { signal } = request
  const info = await adapter.head(claims.key, { signal })
  const etag = `"${info.etag}"`
  const headers = headersFor(info, claims, etag)
  if (!matches(request.headers.get('if-match'), etag, true)) {
    return refusal(new StowageError('precondition-failed', 'The object has changed.'), request.method)
  }
  const unless = request.headers.get('if-none-match')
  if (unless !== null && matches(unless, etag, false)) return new Response(null, { status: 304, headers })
  const range = rangeOf(request, info, etag)
  if (range === 'beyond') {
    const beyond = refusal(new StowageError('invalid-request', 'The range lies beyond the end.'), request.method, 416)
    beyond.headers.set('content-range', `bytes */${info.size}`)
    return beyond
  }
  if (range !== undefined)
    headers['content-range'] = `bytes ${range.start}-${range.start + range.length - 1}/${info.size}`
  headers['content-length'] = String(range?.length ?? info.size)
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD' || info.size === 0) return new Response(null, { status, headers })
  const { body } = await adapter
    .get(claims.key, { signal, ifMatch: info.etag, ...(range === undefined ? {} : { range }) })
    .catch((error: unknown) => {
      // Replaced between the two calls: the reader tries again.
      throw hasCode(error, 'precondition-failed') ? new StowageError('source-changed', 'The object changed.') : error
    })
  return new Response(Readable.toWeb(body) as unknown as ReadableStream, { status, headers })
}

function headersFor(info: ObjectInfo, { downloadName }: Claims, etag: string): Record<string, string> {
  const { contentType, cacheControl, contentEncoding, contentLanguage } = info
  const disposition = downloadName === undefined ? info.contentDisposition : attachment(downloadName)
  return {
    etag,
    'accept-ranges': 'bytes',
    'last-modified': new Date(info.lastModified).toUTCString(),
    'content-type': contentType ?? 'application/octet-stream',
    ...(cacheControl === undefined ? {} : { 'cache-control': cacheControl }),
    ...(contentEncoding === undefined ? {} : { 'content-encoding': contentEncoding }),
    ...(contentLanguage === undefined ? {} : { 'content-language': contentLanguage }),
    ...(disposition === undefined ? {} : { 'content-disposition': disposition }),
    // Whatever somebody uploaded is shown, if at all, without rights on the origin that it comes from.
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  }
}

function matches(header: string | null, etag: string, otherwise: boolean): boolean {
  if (header === null) return otherwise
  return header.trim() === '*' || header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
}

/** The one range that is asked for. Several, or one that is not understood, are answered with the whole object, as RFC 9110 allows. */
function rangeOf(
  request: Request,
  { size }: ObjectInfo,
  etag: string,
): { start: number; length: number } | 'beyond' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.get('range') ?? '')
  const condition = request.headers.get('if-range')
  if (match === null || (condition !== null && condition !== etag)) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'beyond' : { start: size - length, length }
  }
  const start = Number(first)
  if (start >= size) return 'beyond'
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return end < start ? undefined : { start, length: end - start + 1 }
}
