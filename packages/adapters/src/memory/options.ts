import type { Capabilities, Clock, Random } from '@stowage/core'
import { probeFolder, s3KeyRules } from '@stowage/core'
import type { PresignSettings } from '../presigned/index.ts'

/** Options of {@link memory}. */
export interface MemoryOptions {
  /** The source's id. */
  id: string
  /** Write nothing: writes are refused with `not-supported`, and probes only read. @defaultValue false */
  readOnly?: boolean
  /** @defaultValue the machine's clock */
  clock?: Clock
  /** Makes upload ids. @defaultValue the machine's */
  random?: Random
  /** Smallest part of a multipart upload but the last, in bytes. @defaultValue 1 */
  minPartSize?: number
  /** Presigns URLs, which `presignHandler` serves. @defaultValue nothing can be presigned */
  presign?: PresignSettings
  /** Rows of a page of a listing, at most. @defaultValue 1000 */
  pageSize?: number
}

/** What the memory adapter can do. */
export function memoryCapabilities(options: MemoryOptions): Capabilities {
  const presigns = options.presign !== undefined
  return {
    conditional: {
      get: true,
      putCreateOnly: true,
      putIfMatch: true,
      completeCreateOnly: true,
      completeIfMatch: true,
      deleteIfMatch: true,
    },
    versions: false,
    checksums: ['crc32', 'sha256'],
    multipart: {
      minPartSize: options.minPartSize ?? 1,
      maxPartSize: 1024 ** 3,
      maxParts: 10_000,
      partCopy: true,
      listUploads: 'prefix',
    },
    maxPutSize: 1024 ** 3,
    serverSideCopy: { scope: 'source', maxSize: 1024 ** 3 },
    unknownSize: true,
    presign: presigns ? ['get', 'put', 'part'] : [],
    presignedWrites: presigns ? 'exact' : 'none',
    presignMaxSize: presigns,
    listing: { delimiter: true, pageSize: options.pageSize ?? 1000 },
    notifications: 'listen',
    archive: false,
    tags: true,
    storageClasses: false,
    metadata: 'native',
    etagIsMd5: false,
    mount: false,
    keys: { ...s3KeyRules, reserved: probeFolder },
  }
}
