import type { KeyRules } from '../keys/index.ts'
import type { ChecksumAlgorithm } from './objects.ts'

/** Limits of multipart uploads. */
export interface MultipartCapabilities {
  /** Smallest part but the last, in bytes (S3 and OSS differ: 5 MiB and 100 KiB). */
  readonly minPartSize: number
  /** Largest part, in bytes. */
  readonly maxPartSize: number
  /** Highest part number. */
  readonly maxParts: number
  /** Whether a part can be copied by the store from another of its objects. */
  readonly partCopy: boolean
  /**
   * What listing unfinished uploads can be trusted for: every `prefix`, only the `exact-key` (MinIO answers others from a cache).
   * A store that cannot list them at all has no multipart capability.
   */
  readonly listUploads: 'prefix' | 'exact-key'
  /** All parts but the last must be of one size, and the last no longer. @defaultValue false */
  readonly equalParts?: boolean
  /** Algorithms whose checksum of the whole object an upload can be created with. @defaultValue none */
  readonly objectChecksums?: readonly ChecksumAlgorithm[]
}

/**
 * What one store can do. Callers look here before they ask; an operation that is not declared is refused with `not-supported`,
 * and the conformance suite checks both.
 */
export interface Capabilities {
  /** Nothing can be written, because the source is set up so (`readOnly`). @defaultValue false */
  readonly readOnly?: boolean
  readonly conditional: {
    /** `get` and `head` with `ifMatch`. */
    readonly get: boolean
    /** `put` with `ifNoneMatch: '*'`. */
    readonly putCreateOnly: boolean
    /** `put` with `ifMatch`. */
    readonly putIfMatch: boolean
    /** `multipart.complete` with `ifNoneMatch: '*'`. */
    readonly completeCreateOnly: boolean
    /** `multipart.complete` with `ifMatch`. @defaultValue false */
    readonly completeIfMatch?: boolean
    /** `delete` with `ifMatch`. */
    readonly deleteIfMatch: boolean
  }
  /** Objects keep older versions that `get`, `head` and `delete` can name. */
  readonly versions: boolean
  /** Checksums of a request's bytes that the store itself verifies before it keeps them. */
  readonly checksums: readonly ChecksumAlgorithm[]
  readonly multipart: false | MultipartCapabilities
  /** Largest object that one `put` takes, in bytes. */
  readonly maxPutSize: number
  /** `copy` inside the store, without the bytes passing here: between keys of one `source`, or of all sources of one `endpoint` with the same credentials. */
  readonly serverSideCopy: false | { readonly scope: 'source' | 'endpoint'; readonly maxSize: number }
  /** `put` takes streams whose length is not known. */
  readonly unknownSize: boolean
  /** What can be presigned. */
  readonly presign: readonly PresignMethod[]
  /** How far a presigned write is bound to the one object that it names. */
  readonly presignedWrites: PresignedWrites
  /** A presigned write can be held to a size. Elsewhere its holder may send as much as the store takes. */
  readonly presignMaxSize: boolean
  readonly listing: {
    /** `list` with a delimiter. */
    readonly delimiter: boolean
    /** Rows of one page, at most. */
    readonly pageSize: number
  }
  /** Whether the store tells of changes by itself: to who listens with `watch`, only to queues and functions that it is set up to call, or not at all. */
  readonly notifications: 'listen' | 'push' | 'none'
  /** Objects may be archived, and `restore` brings them back. */
  readonly archive: boolean
  /** Objects can have tags: `tags` of writes, and `getTags`. */
  readonly tags: boolean
  /** Only `head` tells the `tagCount` of an object. @defaultValue false: `get` tells it too */
  readonly tagCountByHead?: boolean
  /** Writes may name a `storageClass`. */
  readonly storageClasses: boolean
  /** How user metadata and headers are kept: by the store itself, in a file beside the object (so it costs a file), or not at all. */
  readonly metadata: 'native' | 'sidecar' | 'none'
  /** A single put's etag is the MD5 of its bytes, so equal etags of two such stores mean equal contents. */
  readonly etagIsMd5: boolean
  /** A path under which other programs of this machine read the objects directly, or none. */
  readonly mount: boolean
  readonly keys: KeyRules
}

/**
 * What the holder of a presigned write can do with it:
 * - `exact`: write the one object. The store refuses headers that were not signed, among them a copy source.
 * - `narrowed`: the same, because it is signed with temporary credentials that may do nothing else.
 * - `open`: also add `x-amz-copy-source`, which makes the write a copy of any object that the signer may read. Such an upload must stay
 *   unreadable for its uploader until the digest that was declared for it has been verified.
 * - `none`: no write can be presigned.
 */
export type PresignedWrites = 'exact' | 'narrowed' | 'open' | 'none'

/** What `presign` can sign: a read, a single write, one part of a multipart upload. */
export type PresignMethod = 'get' | 'put' | 'part'
