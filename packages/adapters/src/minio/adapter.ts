import { type Capabilities, probeFolder, type StorageAdapter } from '@stowage/core'
import { S3Adapter, type S3Options, type S3Profile, s3Capabilities } from '../s3/index.ts'
import { readOnly } from '../wrappers/read-only.ts'
import { watchBucket } from './watch.ts'

/** Options of {@link minio}: those of {@link S3Options}, and an endpoint. */
export interface MinioOptions extends S3Options {
  endpoint: string
}

/** What MinIO (measured: RELEASE.2026-02) does differently from AWS S3. */
const capabilities: Capabilities = {
  ...s3Capabilities,
  // It takes `If-Match` on a delete and does not look at it.
  conditional: { ...s3Capabilities.conditional, deleteIfMatch: false },
  // Uploads by prefix are answered from a cache that a restart empties; by the exact key the answer is true.
  multipart: s3Capabilities.multipart === false ? false : { ...s3Capabilities.multipart, listUploads: 'exact-key' },
  // A copy source that is added to a signed write is followed (measured), unless the signer may not read.
  presignedWrites: 'open',
  notifications: 'listen',
  archive: false,
  // Keys are paths on its disks: parts of up to 255 bytes; "/a" would silently become "a"; "a" hides "a/b" from listings.
  keys: {
    maxBytes: 1024,
    maxSegmentBytes: 255,
    leadingSlash: false,
    trailingSlash: true,
    trailingSlashInParts: false,
    emptySegments: false,
    dotSegments: false,
    looseDots: true,
    folderMark: '__XLDIR__',
    controlCharacters: 'all',
    objectAndFolder: false,
    reserved: probeFolder,
  },
}

const profile: S3Profile = {
  type: 'minio',
  capabilities,
  pathStyle: () => true,
  partsByMd5: false,
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
