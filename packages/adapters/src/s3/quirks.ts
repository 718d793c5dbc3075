import type { Capabilities, MultipartCapabilities } from '@stowage/core'
import { wrongOption } from '../shared/wrong-option.ts'

/** How requests are written where stores that speak S3 differ. */
export interface S3Dialect {
  /** `x-amz-checksum-*` is sent and asked for. Otherwise bytes are announced by their MD5. */
  readonly checksums: boolean
  /** A CRC32 is sent with parts of any upload, not only of those that were created for one. */
  readonly partChecksums: boolean
  /** Listings are asked for with `encoding-type=url`. */
  readonly encodingType: boolean
  /** Many objects are deleted by one request. */
  readonly deletesMany: boolean
  /** Names of metadata may have all characters that names of headers may. */
  readonly anyMetadataName: boolean
}

/** What AWS S3 understands. */
export const s3Dialect: S3Dialect = {
  checksums: true,
  partChecksums: false,
  encodingType: true,
  deletesMany: true,
  anyMetadataName: true,
}

/** What a quirk changes. */
interface Change {
  readonly dialect?: Partial<S3Dialect>
  readonly capabilities?: (capabilities: Capabilities) => Capabilities
}

const conditional =
  (change: Partial<Capabilities['conditional']>) =>
  (capabilities: Capabilities): Capabilities => ({
    ...capabilities,
    conditional: { ...capabilities.conditional, ...change },
  })

const multipart =
  (change: Partial<MultipartCapabilities>) =>
  (capabilities: Capabilities): Capabilities => ({
    ...capabilities,
    multipart: capabilities.multipart === false ? false : { ...capabilities.multipart, ...change },
  })

const keys =
  (change: Partial<Capabilities['keys']>) =>
  (capabilities: Capabilities): Capabilities => ({ ...capabilities, keys: { ...capabilities.keys, ...change } })

const plain =
  (change: Partial<Capabilities>) =>
  (capabilities: Capabilities): Capabilities => ({ ...capabilities, ...change })

/** What a store that speaks S3 does differently from AWS S3, by name. docs/stores.md says what each changes, and which stores have it. */
export type S3Quirk =
  | 'part-checksums'
  | 'no-checksums'
  | 'no-object-checksums'
  | 'no-encoding-type'
  | 'no-multi-delete'
  | 'no-conditional-writes'
  | 'no-if-match-writes'
  | 'no-conditional-completes'
  | 'no-conditional-deletes'
  | 'open-presigned-writes'
  | 'exact-key-uploads'
  | 'no-conditional-copies'
  | 'no-part-copy'
  | 'equal-parts'
  | 'no-tags'
  | 'no-tag-count'
  | 'plain-metadata-names'
  | 'no-versions'
  | 'no-storage-classes'
  | 'no-archive'
  | 'opaque-etags'
  | 'folded-leading-slashes'
  | 'keys-are-paths'
  | 'no-control-characters'
  | 'objects-hide-folders'
  | 'shallow-keys'

const changes: Readonly<Record<S3Quirk, Change>> = {
  /** Takes a CRC32 with a part of any upload. AWS S3 takes it only in uploads that were created for one; parts go by their MD5 there. */
  'part-checksums': { dialect: { partChecksums: true } },
  /** Refuses or ignores `x-amz-checksum-*`: bytes are announced by `Content-MD5`, and no checksum is asked for. */
  'no-checksums': {
    dialect: { checksums: false },
    capabilities: (all) => multipart({ objectChecksums: [] })({ ...all, checksums: [] }),
  },
  /** Forgets the checksum of an object that was uploaded in parts. */
  'no-object-checksums': { capabilities: multipart({ objectChecksums: [] }) },
  /** Refuses or ignores `encoding-type`: keys come as XML, which carries no control characters but the tab. */
  'no-encoding-type': { dialect: { encodingType: false }, capabilities: keys({ controlCharacters: 'tab-and-delete' }) },
  /** Cannot delete many objects by one request: they are deleted one by one. */
  'no-multi-delete': { dialect: { deletesMany: false } },
  /** Refuses or ignores `If-None-Match` and `If-Match` on every write. Presigned writes may then replace an object. */
  'no-conditional-writes': {
    capabilities: conditional({
      putCreateOnly: false,
      putIfMatch: false,
      completeCreateOnly: false,
      completeIfMatch: false,
    }),
  },
  /** Takes `If-None-Match: *` on a put, and refuses or ignores `If-Match` on every write. */
  'no-if-match-writes': { capabilities: conditional({ putIfMatch: false, completeIfMatch: false }) },
  /** Refuses or ignores `If-None-Match` and `If-Match` when an upload is completed. */
  'no-conditional-completes': { capabilities: conditional({ completeCreateOnly: false, completeIfMatch: false }) },
  /** Refuses or ignores `If-Match` on a delete. */
  'no-conditional-deletes': { capabilities: conditional({ deleteIfMatch: false }) },
  /** Follows an `x-amz-copy-source` that is added to a presigned write. */
  'open-presigned-writes': { capabilities: plain({ presignedWrites: 'open' }) },
  /** Lists unfinished uploads truly only by their exact key. */
  'exact-key-uploads': { capabilities: multipart({ listUploads: 'exact-key' }) },
  /** Ignores the condition on the source of a copy, so a copy may be of another state than the one that was looked at. */
  'no-conditional-copies': {
    capabilities: (all) => multipart({ partCopy: false })({ ...all, serverSideCopy: false }),
  },
  /** Cannot copy from an object into a part. */
  'no-part-copy': { capabilities: multipart({ partCopy: false }) },
  /** Wants all parts of an upload but the last to be of one size. */
  'equal-parts': { capabilities: multipart({ equalParts: true }) },
  /** Keeps no tags, and refuses a copy that names what becomes of them. */
  'no-tags': { capabilities: plain({ tags: false }) },
  /** Does not tell the number of tags with an object's bytes: they are asked for of each object that is copied from it. */
  'no-tag-count': { capabilities: plain({ tagCountByHead: true }) },
  /** Changes or loses metadata whose names have more than letters, digits and `-`. */
  'plain-metadata-names': { dialect: { anyMetadataName: false } },
  /** Keeps no versions. */
  'no-versions': { capabilities: plain({ versions: false }) },
  /** Has one storage class, and refuses or ignores its name. */
  'no-storage-classes': { capabilities: plain({ storageClasses: false, archive: false }) },
  /** Has no archive to restore objects from. */
  'no-archive': { capabilities: plain({ archive: false }) },
  /** Tells entity tags that are no MD5 of the bytes. */
  'opaque-etags': { capabilities: plain({ etagIsMd5: false }) },
  /** Makes `a` of `/a`. */
  'folded-leading-slashes': { capabilities: keys({ leadingSlash: false }) },
  /**
   * Keeps keys as paths on disks, as MinIO and what descends from it: parts have up to 255 bytes, none is empty, `.` or `..`, or ends in
   * the mark of folders; a leading slash is folded away, and one at the end is kept only by a put in one piece.
   */
  'keys-are-paths': {
    capabilities: keys({
      maxSegmentBytes: 255,
      leadingSlash: false,
      trailingSlashInParts: false,
      emptySegments: false,
      dotSegments: false,
      looseDots: true,
      folderMark: '__XLDIR__',
    }),
  },
  /** Cannot list or refuses keys with control characters; only the tab and U+007F are kept. */
  'no-control-characters': { capabilities: keys({ controlCharacters: 'tab-and-delete' }) },
  /** Leaves `a/b` out of listings while there is an object `a`. */
  'objects-hide-folders': { capabilities: keys({ objectAndFolder: false }) },
  /** Takes keys of up to 100 levels. RustFS 1.0.1 dies of 200. */
  'shallow-keys': { capabilities: keys({ maxDepth: 100 }) },
}

/** The names of all quirks. */
export const s3Quirks: readonly S3Quirk[] = Object.keys(changes) as S3Quirk[]

/**
 * Applies quirks to what AWS S3 can do.
 * @throws StowageError `configuration` for a name that is none
 */
export function applyQuirks(
  id: string,
  capabilities: Capabilities,
  quirks: readonly string[],
): { capabilities: Capabilities; dialect: S3Dialect } {
  let applied = { capabilities, dialect: s3Dialect }
  for (const name of quirks) {
    const change: Change | undefined = Object.hasOwn(changes, name) ? changes[name as S3Quirk] : undefined
    if (change === undefined) {
      throw wrongOption(id, 'quirks', `has no ${JSON.stringify(name)}`, `Use any of: ${s3Quirks.join(', ')}.`)
    }
    applied = {
      capabilities: change.capabilities?.(applied.capabilities) ?? applied.capabilities,
      dialect: { ...applied.dialect, ...change.dialect },
    }
  }
  return applied
}
