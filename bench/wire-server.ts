/**
 * An empty store, in a process of its own: takes every PUT, answers every GET with as many zero bytes as the key says (`name-SIZE`), and
 * lists as many keys as the prefix says. Prints its port.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'

const etag = '"d41d8cd98f00b204e9800998ecf8427e"'
const piece = Buffer.alloc(256 * 1024)
const sums = new Map<number, string>()
const sums64 = new Map<number, string>()

/** The CRC32 of this many zero bytes, as S3 keeps it. */
function sumOf(size: number): string {
  const known = sums.get(size)
  if (known !== undefined) return known
  let crc = 0
  for (let left = size; left > 0; left -= piece.length) crc = crc32(piece.subarray(0, left), crc)
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc)
  const sum = bytes.toString('base64')
  sums.set(size, sum)
  return sum
}

/** The CRC64 of this many zero bytes, as OSS tells it; `undefined` for more than a few. */
function sum64Of(size: number): string | undefined {
  if (size > piece.length) return undefined
  const known = sums64.get(size)
  if (known !== undefined) return known
  const all = 0xffffffffffffffffn
  let crc = all
  for (let bit = 0; bit < size * 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0xc96c5795d7870f42n : crc >> 1n
  const sum = String(crc ^ all)
  sums64.set(size, sum)
  return sum
}

function* zeros(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= piece.length) yield piece.subarray(0, left)
}

function page(response: ServerResponse, query: URLSearchParams): void {
  const total = Number(query.get('prefix')?.split('-')[1] ?? 0)
  const from = Number(query.get('continuation-token') ?? 0)
  const to = Math.min(from + 1000, total)
  let rows = ''
  for (let i = from; i < to; i++) {
    const key = `list-${total}/folder/${String(i).padStart(9, '0')}%20image.jpg`
    rows += `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&#34;d41d8cd98f00b204e9800998ecf8427e&#34;</ETag><Size>4096</Size><Owner><ID>02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4</ID><DisplayName>minio</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>`
  }
  const more = to < total ? `<NextContinuationToken>${to}</NextContinuationToken>` : ''
  response.writeHead(200, { 'content-type': 'application/xml' })
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix></Prefix>${more}<KeyCount>${to - from}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>${to < total}</IsTruncated>${rows}<EncodingType>url</EncodingType></ListBucketResult>`,
  )
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost')
  if (request.method === 'PUT') {
    const crc64 = sum64Of(Number(request.headers['content-length']))
    const told = crc64 === undefined ? {} : { 'x-oss-hash-crc64ecma': crc64 }
    request.on('end', () => response.writeHead(200, { etag, 'content-length': '0', ...told }).end())
    request.resume()
    return
  }
  if (url.searchParams.has('location')) {
    response.end('<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>')
    return
  }
  if (url.searchParams.has('list-type')) {
    page(response, url.searchParams)
    return
  }
  const size = Number(url.pathname.split('-').at(-1))
  const crc64 = sum64Of(size)
  response.writeHead(200, {
    etag,
    ...(crc64 === undefined ? {} : { 'x-oss-hash-crc64ecma': crc64 }),
    'content-length': size,
    'content-type': 'application/octet-stream',
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    'x-amz-checksum-crc32': sumOf(size),
    'x-amz-checksum-type': 'FULL_OBJECT',
  })
  if (request.method === 'HEAD') response.end()
  else if (size <= piece.length) response.end(piece.subarray(0, size))
  else Readable.from(zeros(size), { objectMode: false, highWaterMark: 2 * piece.length }).pipe(response)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
