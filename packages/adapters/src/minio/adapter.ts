import type { StorageAdapter } from '@stowage/core'
import { S3Adapter, type S3Options, type S3Profile, type S3Quirk, s3Capabilities } from '../s3/index.ts'
import { readOnly } from '../wrappers/read-only.ts'
import { watchBucket } from './watch.ts'

/** Options of {@link minio}: those of {@link S3Options}, and an endpoint. */
export interface MinioOptions extends S3Options {
  endpoint: string
}

/** What MinIO (measured: RELEASE.2026-02) does differently from AWS S3. */
export const minioQuirks: readonly S3Quirk[] = [
  'part-checksums',
  // It takes `If-Match` on a delete and does not look at it.
  'no-conditional-deletes',
  // Uploads by prefix are answered from a cache that a restart empties; by the exact key the answer is true.
  'exact-key-uploads',
  // A copy source that is added to a signed write is followed (measured), unless the signer may not read.
  'open-presigned-writes',
  'no-archive',
  'keys-are-paths',
  'objects-hide-folders',
]

const profile: S3Profile = {
  type: 'minio',
  capabilities: { ...s3Capabilities, notifications: 'listen' },
  quirks: minioQuirks,
  pathStyle: () => true,
  needsEndpoint: true,
  watch: watchBucket,
  storageClasses: ['STANDARD', 'REDUCED_REDUNDANCY'],
}

/**
 * A bucket of a MinIO server.
 *
 * @example
 * ```ts
 * const lan = minio({ id: 'lan', endpoint: 'https://minio.lan:9000', bucket: 'train', accessKey, secretKey })
 * ```
 * @throws StowageError `configuration` when an option is missing or wrong
 */
export function minio(options: MinioOptions): StorageAdapter {
  const adapter = new S3Adapter(options, profile)
  return options.readOnly === true ? readOnly(adapter) : adapter
}
