import type { Capabilities, Clock, FileSystem, Random } from '@stowage/core'
import { utf8Length } from '@stowage/core'
import type { PresignSettings } from '../presigned/index.ts'

/** The folder under the root that holds temporary files, sidecars and unfinished uploads. */
export const workFolder = '.stowage-fs'

/** Longest path that Linux takes, in bytes with the closing NUL (PATH_MAX). */
const longestPath = 4096

/** Options of {@link filesystem}. */
export interface FilesystemOptions {
  /** The source's id. */
  id: string
  /** The folder, absolute or relative to the working directory. */
  root: string
  /** Make the root itself when it does not exist. Without this, a missing root is an error, so that an unmounted disk is noticed. @defaultValue false */
  create?: boolean
  /** Follow symbolic links to files and folders inside the root, or leave all links out. Links that lead out are never followed. @defaultValue 'follow' */
  symlinks?: 'follow' | 'skip'
  /**
   * `power`: a finished write survives a power failure (file and folder are flushed to the disk). `process`: it survives the end of this
   * process, and the system writes it out in its own time, as most tools do.
   * @defaultValue 'process'
   */
  durability?: 'process' | 'power'
  /** Presigns URLs, which `presignHandler` serves. @defaultValue nothing can be presigned */
  presign?: PresignSettings
  /** Rows of a page of a listing, at most. @defaultValue 1000 */
  pageSize?: number
  /** Write nothing: writes are refused with `not-supported`, and probes only read. @defaultValue false */
  readOnly?: boolean
  /** @defaultValue the machine's clock */
  clock?: Clock
  /** Makes names of temporary files and upload ids. @defaultValue the machine's */
  random?: Random
  /** The calls into the operating system, for tests. @defaultValue node:fs/promises */
  fs?: FileSystem
}

/** What the filesystem adapter can do. */
export function filesystemCapabilities(root: string, pageSize: number, presigns: boolean): Capabilities {
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
      minPartSize: 1,
      maxPartSize: Number.MAX_SAFE_INTEGER,
      maxParts: 10_000,
      partCopy: true,
      listUploads: 'exact-key',
    },
    maxPutSize: Number.MAX_SAFE_INTEGER,
    serverSideCopy: { scope: 'source', maxSize: Number.MAX_SAFE_INTEGER },
    unknownSize: true,
    presign: presigns ? ['get', 'put', 'part'] : [],
    presignedWrites: presigns ? 'exact' : 'none',
    presignMaxSize: presigns,
    listing: { delimiter: true, pageSize },
    notifications: 'listen',
    archive: false,
    tags: false,
    storageClasses: false,
    metadata: 'sidecar',
    etagIsMd5: false,
    mount: true,
    keys: {
      maxBytes: longestPath - 2 - utf8Length(root),
      maxSegmentBytes: 255,
      leadingSlash: false,
      trailingSlash: false,
      emptySegments: false,
      dotSegments: false,
      controlCharacters: 'all',
      objectAndFolder: false,
      reserved: `${workFolder}/`,
    },
  }
}
