/**
 * The document that loaders read: JSON lines, the header first, then a line for each file in byte order of paths, then the end. One without its
 * end is not whole. Later formats may add fields, which readers pass over; what they could not pass over gets a new number.
 */

/** The format written today. Readers refuse what is newer. */
export const DOCUMENT_FORMAT = 1

/** The first line. */
export interface DocumentHeader {
  kind: 'stowage-access-manifest'
  format: number
  dataset: string
  version: number
  /** The root digest of the version's manifest: its identity. */
  manifest: string
  /** Files and bytes of the whole version, whatever part of it the document is about. */
  fileCount: number
  size: number
  /** Bytes of a block of the digests. A file of one block has its SHA-256 as digest, a larger one the SHA-256 of those of its blocks. */
  blockSize: number
  prefix: string
  after: string | null
  /** Milliseconds since the epoch. */
  createdAt: number
  /** When the first of the URLs ends; `null` when there are none. */
  expiresAt: number | null
  /** Best first. `mount`: the folder on the node that keys are relative to; ends in `/`. */
  replicas: { source: string; region?: string; mount?: string }[]
}

/** Where something lies, one entry a replica: its URL; `1`, under the replica's `mount`; or `null`, not there. */
export type DocumentWays = (string | 1 | null)[]

/** The line of a file. */
export interface DocumentFile {
  path: string
  /** bytes */
  size: number
  digest: string
  contentType?: string
  /** Relative to the `mount` of a replica; absent where nothing is mounted. */
  key?: string
  at: DocumentWays
  /** Of a file of more than one block: where the SHA-256 of each of its blocks are kept, 32 bytes each in a row. */
  blocks?: { key?: string; at: DocumentWays }
}

/** The last line. */
export interface DocumentEnd {
  end: true
  /** Lines of files. */
  files: number
  /** The last path, when there are more files: what to give as `after`. */
  next?: string
}
