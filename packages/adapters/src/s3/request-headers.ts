import { createHash } from 'node:crypto'
import type { S3Dialect } from './quirks.ts'
import type { S3Client } from './sdk.ts'

/**
 * Asks for the checksums the store keeps, and leaves bodies out of the signature: their CRC32 or SHA-256 is a signed header, so hashing
 * them once more would only cost time.
 */
export function addRequestHeaders(client: S3Client, { checksums }: S3Dialect): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { method: string; headers: Record<string, string>; body?: unknown }
      if (request.body instanceof Uint8Array) request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      const isRead = request.method === 'GET' || request.method === 'HEAD'
      if (checksums && isRead) request.headers['x-amz-checksum-mode'] = 'ENABLED'
      return next(args)
    },
    { step: 'build', name: 'stowageRequestHeaders' },
  )
  if (checksums) return
  client.middlewareStack.add(
    (next) => (args) => {
      md5InPlaceOfChecksums(args.request as Parameters<typeof md5InPlaceOfChecksums>[0])
      return next(args)
    },
    { step: 'build', priority: 'low', name: 'stowageMd5' },
  )
}

/** Some calls must be checked, for which the SDK always uses a newer checksum than the store may know. */
function md5InPlaceOfChecksums({ headers, body }: { headers: Record<string, string>; body?: unknown }): void {
  const names = Object.keys(headers).filter((name) => /^x-amz-(sdk-)?checksum-/.test(name))
  if (names.length === 0) return
  for (const name of names) delete headers[name]
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return
  headers['content-md5'] = createHash('md5').update(body).digest('base64')
}
