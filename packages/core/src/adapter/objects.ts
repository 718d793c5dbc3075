import type { Readable } from 'node:stream'

/**
 * Checksum algorithms that stores can verify. Values travel as base64 of the big-endian bytes, as S3 writes them. `md5` is for bytes whose MD5
 * is known already, as that of an object whose etag it is: nothing is computed here, the store alone holds them against it.
 */
export type ChecksumAlgorithm = 'md5' | 'crc32' | 'crc32c' | 'crc64nvme' | 'crc64ecma' | 'sha256'

/** A checksum of the bytes of one request. Evidence of one transfer, never an object's identity. */
export interface Checksum {
  algorithm: ChecksumAlgorithm
  /** base64 */
  value: string
}

/**
 * Bytes to write: in memory, or a stream. A Node `Readable` and a web `ReadableStream` are both async iterables.
 * A stream is read once; what was read of it is lost when the call fails.
 */
export type ByteSource = Uint8Array | AsyncIterable<Uint8Array>

/** Headers and metadata that an object is written with. */
export interface ObjectHeaders {
  contentType?: string
  cacheControl?: string
  contentDisposition?: string
  contentEncoding?: string
  contentLanguage?: string
  /** User metadata (`x-amz-meta-*`, `x-oss-meta-*`): lower-case names, values of any Unicode text. */
  metadata?: Record<string, string>
}

/** What an object is written with beside its bytes. */
export interface ObjectAttributes extends ObjectHeaders {
  /** Tags of the object, where `capabilities.tags`; else refused with `not-supported`. */
  tags?: Record<string, string>
  /** The store's own name of a storage class, such as `STANDARD_IA` or `IA`, where `capabilities.storageClasses`; else refused. @defaultValue the bucket's */
  storageClass?: string
}

/** What a store says of one object. */
export interface ObjectInfo extends ObjectHeaders {
  key: string
  /** bytes */
  size: number
  /** The store's entity tag without quotes: opaque, changes whenever the object is written. Comparable only within one source. */
  etag: string
  /** Milliseconds since the epoch, by the store's clock. */
  lastModified: number
  versionId?: string
  metadata: Record<string, string>
  /** Checksums the store keeps, where it told them. */
  checksums?: Partial<Record<ChecksumAlgorithm, string>>
  storageClass?: string
  /** Tags that it has, where the store tells their number with the object: `getTags` need not be asked for none. */
  tagCount?: number
  /** True when the object lies in an archive and must be restored before it can be read. */
  archived?: boolean
  /**
   * What it is, when it is no ordinary object: a `link` of the store's own to another object, whose size, etag and bytes it shows (OSS's
   * symbolic links), or `appendable`, to which others may add while it is read (pin its etag).
   * @defaultValue an ordinary object
   */
  kind?: 'link' | 'appendable'
}

/** One row of a listing. */
export interface ListedObject {
  key: string
  /** bytes */
  size: number
  /** As in {@link ObjectInfo.etag}: equal to what `head` says of the same object. */
  etag: string
  /** Milliseconds since the epoch. */
  lastModified: number
  storageClass?: string
}

/** One page of a listing. */
export interface ListPage {
  /** In UTF-8 byte order of keys, each above all keys of the page before. */
  objects: ListedObject[]
  /** With a delimiter: the folders of this page, each ending in the delimiter, in byte order. Merged with `objects` they are sorted too. */
  prefixes: string[]
  /**
   * Things that lie in the store but cannot be objects: names that are not UTF-8, links that lead out of the root, sockets.
   * Reported so that nothing is left out in silence.
   */
  skipped?: SkippedEntry[]
}

/** Something in a store that cannot be an object, and why. */
export interface SkippedEntry {
  /** The name, as well as it can be shown. */
  name: string
  reason: string
  /** `problem`: data that could not be listed. `ignored`: left out by rule, such as a link out of the root or a socket. */
  severity: 'problem' | 'ignored'
}

/** The result of `get`. */
export interface GetResult {
  /** Of the whole object, also for a range. */
  info: ObjectInfo
  /** The range that is delivered, in bytes: `start` to `start + length - 1`. */
  range: { start: number; length: number }
  /**
   * The bytes. Exactly `range.length` of them arrive, or the stream fails with a StowageError (`integrity` when it was cut short).
   * Must be read to its end or destroyed.
   */
  body: Readable
}

/** Something that happened to an object, as the store tells it. A hint: events may come twice, late, out of order, or not at all. */
export interface ObjectEvent {
  type: 'created' | 'removed'
  key: string
  /** bytes; of what was created */
  size?: number
  etag?: string
  versionId?: string
  /** Orders the events of one key: hexadecimal, compared after padding to one length on the right. */
  sequencer?: string
  /** Milliseconds since the epoch, by the store's clock. */
  time: number
}

/** Events were lost, or may have been: the connection broke, the store restarted, a queue overflowed. Only a listing tells what happened. */
export interface EventGap {
  type: 'gap'
  /** Milliseconds since the epoch: nothing is known from the last event until now. */
  time: number
}

/** What a store answers to a finished write. */
export interface PutResult {
  /** As `head` and `list` will say it. */
  etag: string
  versionId?: string
}
