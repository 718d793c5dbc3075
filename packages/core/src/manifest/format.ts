import { createHash } from 'node:crypto'

/** The format written today. Readers refuse what is newer. */
export const MANIFEST_FORMAT = 1

/** The folder under a replica's path that holds manifests. Its presence of a `root.json` makes the path a managed root. */
export const MANAGED_FOLDER = '.stowage/'

/** Key of the marker object, relative to the replica path. */
export const MARKER_KEY: string = `${MANAGED_FOLDER}root.json`

/** One file of a version. Where the bytes lie on a given source is the replica's path plus {@link ManifestEntry.key}. */
export interface ManifestEntry {
  /** Portable path inside the dataset. */
  path: string
  /** Key relative to the replica path: the id of the draft that first brought the file, `/`, and its path then. */
  key: string
  /** bytes */
  size: number
  digest: string
  contentType?: string
}

/** A run of entries, stored as one object named by its digest. */
export interface ManifestRange {
  /** SHA-256 of the range's uncompressed bytes, in hexadecimal. */
  digest: string
  first: string
  last: string
  count: number
  /** Bytes of the files in it. */
  size: number
}

/** The top of a manifest: its ranges in order of paths. Its own digest is the identity of the version. */
export interface ManifestRoot {
  format: number
  ranges: ManifestRange[]
  fileCount: number
  /** Bytes of all files. */
  size: number
}

/** The object that makes a folder a managed root, and says whose. */
export interface RootMarker {
  format: number
  catalogId: string
  datasetId: string
}

/** A version beside its data, from which a catalog can be rebuilt. */
export interface VersionRecord {
  format: number
  datasetId: string
  name: string
  number: number
  manifest: string
  parents: number[]
  author: string
  message: string
  size: number
  fileCount: number
  createdAt: number
}

/** Key of a range, relative to the replica path. */
export function rangeKey(digest: string): string {
  return `${MANAGED_FOLDER}ranges/${digest}.jsonl.gz`
}

/** Key of a manifest's top, relative to the replica path. */
export function rootKey(digest: string): string {
  return `${MANAGED_FOLDER}manifests/${digest}.json.gz`
}

/** Key of the block digests of a file of more than one block, relative to the replica path. */
export function blocksKey(digest: string): string {
  return `${MANAGED_FOLDER}blocks/${digest.slice(0, 2)}/${digest}`
}

/** Key of a version's record, relative to the replica path. Nine digits, so that versions list in order. */
export function versionKey(number: number): string {
  return `${MANAGED_FOLDER}versions/${String(number).padStart(9, '0')}.json`
}

/** Key of what is written for a moment where a version is about to go, relative to the replica path: it must not be seen at its other copies. */
export function signKey(number: number): string {
  return `${MANAGED_FOLDER}leaving/${number}.json`
}

/** Plain SHA-256 in hexadecimal: names of manifest objects. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
