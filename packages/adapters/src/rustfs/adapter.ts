import { type Capabilities, probeFolder, type StorageAdapter } from '@stowage/core'
import { S3Adapter, type S3Options, type S3Profile, s3Capabilities } from '../s3/index.ts'
import { readOnly } from '../wrappers/read-only.ts'

/** Options of {@link rustfs}: those of {@link S3Options}, and an endpoint. */
export interface RustfsOptions extends S3Options {
  endpoint: string
}

/** What RustFS (measured: 1.0.1) does differently from AWS S3. */
const capabilities: Capabilities = {
  ...s3Capabilities,
  conditional: { ...s3Capabilities.conditional, deleteIfMatch: false },
  // It forgets the checksum of a whole upload (measured).
  multipart: s3Capabilities.multipart === false ? false : { ...s3Capabilities.multipart, objectChecksums: [] },
  archive: false,
  // Keys are paths on its disks. A key 300 levels deep overflows the server's stack, again at each start: far below that is the end.
  // A control character is kept, but then listings of its bucket fail with 500, also with `encoding-type=url`.
  keys: {
    maxBytes: 1024,
    maxSegmentBytes: 255,
    maxDepth: 100,
    leadingSlash: false,
    trailingSlash: true,
    trailingSlashInParts: false,
    emptySegments: false,
    dotSegments: false,
    looseDots: true,
    folderMark: '__XLDIR__',
    controlCharacters: 'tab-and-delete',
    objectAndFolder: true,
    reserved: probeFolder,
  },
}

const profile: S3Profile = {
  type: 'rustfs',
  capabilities,
  pathStyle: () => true,
  partsByMd5: false,
  needsEndpoint: true,
}

/**
 * A bucket of a RustFS server.
 *
 * @example
 * ```ts
 * const lan = rustfs({ id: 'lan', endpoint: 'https://rustfs.lan:9000', bucket: 'train', accessKey, secretKey })
 * ```
 * @throws StowageError `configuration` when an option is missing or wrong
 */
export function rustfs(options: RustfsOptions): StorageAdapter {
  const adapter = new S3Adapter(options, profile)
  return options.readOnly === true ? readOnly(adapter) : adapter
}
