import type { SourceType } from '../entities/index.ts'
import type { StowageError } from '../errors/index.ts'
import type { Capabilities, PresignMethod } from './capabilities.ts'
import type { DiagnoseOptions, Diagnosis } from './doctor.ts'
import type {
  ByteSource,
  Checksum,
  ChecksumAlgorithm,
  EventGap,
  GetResult,
  ListPage,
  ObjectAttributes,
  ObjectEvent,
  ObjectInfo,
  PutResult,
} from './objects.ts'
import type { ProbeOptions, ProbeResult } from './probe.ts'

/** Options of every call. */
export interface CallOptions {
  /** Stops the call: it rejects with `aborted`, streams are destroyed, connections given back. */
  signal?: AbortSignal
}

export interface HeadOptions extends CallOptions {
  /** Fail with `precondition-failed` unless the object has this etag. */
  ifMatch?: string
  versionId?: string
}

export interface GetOptions extends HeadOptions {
  /**
   * The bytes wanted: from `start`, and `length` of them or to the end. A range that begins at or beyond the object's end
   * fails with `invalid-request`; one that goes beyond it is shortened.
   */
  range?: { start: number; length?: number }
}

export interface PutOptions extends CallOptions, ObjectAttributes {
  /**
   * Length of a stream, in bytes; a stream that delivers another length fails with `integrity` and leaves no object. Needed for streams,
   * unless `capabilities.unknownSize`.
   */
  size?: number
  /** Checksum of all bytes; a mismatch fails with `integrity` and leaves no object. */
  checksum?: Checksum
  /** Create only: fail with `precondition-failed` when the key exists. */
  ifNoneMatch?: '*'
  /** Replace only: fail with `precondition-failed` unless the object has this etag. */
  ifMatch?: string
}

export interface DeleteOptions extends CallOptions {
  ifMatch?: string
  versionId?: string
}

export interface DeleteManyResult {
  /** Keys that do not exist any more, those that never did included. */
  deleted: string[]
  /** Keys that could not be deleted, each with its own error. */
  failed: { key: string; error: StowageError }[]
}

export interface ListOptions extends CallOptions {
  /** Only keys that begin with this; any string, not only folders. @defaultValue all */
  prefix?: string
  /** Only keys above this one, in UTF-8 byte order. */
  startAfter?: string
  /** Fold keys that have this after the prefix into `prefixes`. Only `/` is supported. */
  delimiter?: '/'
  /** Rows of a page, at most; a store may give fewer. @defaultValue the store's page size */
  pageSize?: number
}

export interface CopyOptions extends CallOptions, ObjectAttributes {
  /** The source object must have this etag, else `precondition-failed`. */
  sourceIfMatch?: string
  /** `copy` keeps the source's headers, metadata and tags, `replace` takes those given here. @defaultValue 'copy' */
  headers?: 'copy' | 'replace'
}

/** Of `multipart.create`. */
export interface UploadOptions extends CallOptions, ObjectAttributes {
  /**
   * The store shall keep a checksum of the whole object by this algorithm, where `capabilities.multipart.objectChecksums` has it; else refused
   * with `not-supported`. Then every part, and `complete`, name it too. It is joined from those of the parts: nothing is read again.
   * @defaultValue what the store keeps by itself
   */
  objectChecksum?: ChecksumAlgorithm
}

export interface PartOptions extends CallOptions {
  /** The one that the upload was created with. A long stream then needs its `checksum` by this algorithm. */
  objectChecksum?: ChecksumAlgorithm
  /** Length of a stream, in bytes; needed for streams. */
  size?: number
  /** Checksum of this part's bytes; a mismatch fails with `integrity`. */
  checksum?: Checksum
  /**
   * Told of bytes in memory as they go out, those that are sent again included, where the store is reached over a network: on a slow line it
   * shows that the store still takes them. A stream shows that by being read.
   */
  onSent?: (bytes: number) => void
}

export interface PartCopyOptions extends CallOptions {
  range: { start: number; length: number }
  sourceIfMatch?: string
}

/** One uploaded part. Hand it back unchanged to `complete`. */
export interface UploadedPart {
  /** From 1. */
  partNumber: number
  etag: string
  /** bytes */
  size: number
  checksum?: Checksum
}

export interface CompleteOptions extends CallOptions {
  /** The one that the upload was created with. The store holds the object against what the parts' checksums give, else `integrity`. */
  objectChecksum?: ChecksumAlgorithm
  /** Create only: fail with `precondition-failed` when the key exists by now. */
  ifNoneMatch?: '*'
  /** Replace only: fail with `precondition-failed` unless the object has this etag by now. The upload stays. */
  ifMatch?: string
}

/** A multipart upload that was neither completed nor aborted. */
export interface UnfinishedUpload {
  key: string
  uploadId: string
  /** Milliseconds since the epoch. */
  initiated: number
}

/** Multipart uploads: the object appears at `complete`, whole, or not at all. */
export interface MultipartOperations {
  /** Starts an upload. Headers, metadata and tags are given here, not at the end. */
  create(key: string, options?: UploadOptions): Promise<{ uploadId: string }>
  /** Uploads one part. A part sent again replaces the earlier one. Fails with `not-found` for an unknown upload id. */
  uploadPart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: ByteSource,
    options?: PartOptions,
  ): Promise<UploadedPart>
  /** Makes a part of a range of another object of the same store. */
  uploadPartCopy(
    key: string,
    uploadId: string,
    partNumber: number,
    sourceKey: string,
    options: PartCopyOptions,
  ): Promise<UploadedPart>
  /** All parts that the store has, by number. Fails with `not-found` for an unknown upload id. */
  listParts(key: string, uploadId: string, options?: CallOptions): Promise<UploadedPart[]>
  /** Makes the object. Fails with `invalid-request` for a part that is unknown, out of order or too small. */
  complete(key: string, uploadId: string, parts: readonly UploadedPart[], options?: CompleteOptions): Promise<PutResult>
  /** Throws the parts away. An upload id that is not known any more is no error. */
  abort(key: string, uploadId: string, options?: CallOptions): Promise<void>
  /** Unfinished uploads of exactly this key. */
  list(key: string, options?: CallOptions): Promise<UnfinishedUpload[]>
}

export interface PresignOptions extends CallOptions {
  method: PresignMethod
  key: string
  /** Seconds the URL stays valid, from 1 to 604800 (seven days, the limit of signature V4). */
  expiresIn: number
  /** For `put`: the content type the uploader must send. */
  contentType?: string
  /** For `put` and `part`: bytes that the uploader may send, at most; where `capabilities.presignMaxSize`, else refused with `not-supported`. */
  maxSize?: number
  /** For `part`. */
  uploadId?: string
  /** For `part`. */
  partNumber?: number
  /** For `get`: the file name a browser should save it under. */
  downloadName?: string
}

export interface WatchOptions extends CallOptions {
  /** Only keys that begin with this. @defaultValue all */
  prefix?: string
}

export interface PresignedRequest {
  url: string
  method: 'GET' | 'PUT'
  /** Headers that must be sent as they are. */
  headers: Record<string, string>
  /** Milliseconds since the epoch. */
  expiresAt: number
}

export interface RestoreOptions extends CallOptions {
  /** Days the restored copy stays readable. */
  days: number
  tier?: 'standard' | 'expedited' | 'bulk'
}

/** What an adapter went through below its calls, since it was made. The numbers only grow. */
export interface AttemptCounts {
  /** Requests that were sent again, because the one before failed and could succeed. */
  readonly repeated: number
  /** Answers by which the store asked to be asked less (503 SlowDown, 429). */
  readonly throttled: number
}

/**
 * One storage system as Stowage sees it. An instance is one source: a bucket with its credentials, or a folder.
 *
 * Rules that hold for every implementation, checked by the conformance suite:
 * - every failure is a StowageError with a code, mapped once, here; `retryable` is true only for what can succeed later;
 * - an object is visible whole or not at all, also after a crash, an abort or a full disk;
 * - a listing that fails throws; it never ends early;
 * - keys that the store would refuse, fold or hide fail with `invalid-key` before a byte is sent;
 * - what {@link Capabilities} does not declare fails with `not-supported`.
 *
 * @example
 * ```ts
 * import { filesystem } from '@stowage/adapters/filesystem'
 *
 * const disk = filesystem({ id: 'disk', root: './data' })
 * await disk.put('a/b.txt', Buffer.from('hello'))
 * for await (const page of disk.list({ prefix: 'a/' })) console.log(page.objects)
 * ```
 */
export interface StorageAdapter {
  /** The source's id, for messages and events. */
  readonly id: string
  readonly type: SourceType
  readonly capabilities: Capabilities
  /** What happened below its calls, where it sends requests again by itself. */
  readonly attempts?: AttemptCounts | undefined

  /** What the store knows of an object. Fails with `not-found`. */
  head(key: string, options?: HeadOptions): Promise<ObjectInfo>
  /** Opens an object, or a range of it. Fails with `not-found`, or `archived` when it must be restored first. */
  get(key: string, options?: GetOptions): Promise<GetResult>
  /**
   * Writes an object in one request, up to {@link Capabilities.maxPutSize} bytes. Bytes in memory are the caller's again, to be written to, when it
   * has succeeded.
   */
  put(key: string, body: ByteSource, options?: PutOptions): Promise<PutResult>
  /** Deletes an object. A key that does not exist is no error (unless `ifMatch` is given: then `precondition-failed`). */
  delete(key: string, options?: DeleteOptions): Promise<void>
  /** Deletes many objects; failures are told by key and do not throw. */
  deleteMany(keys: readonly string[], options?: CallOptions): Promise<DeleteManyResult>
  /** Lists objects in UTF-8 byte order of their keys, a page at a time. Throws when any page fails. */
  list(options?: ListOptions): AsyncIterable<ListPage>
  /** Copies an object within the store. */
  copy(sourceKey: string, key: string, options?: CopyOptions): Promise<PutResult>
  readonly multipart: MultipartOperations
  /**
   * Signs a request that somebody without credentials can make. A write is create-only where `capabilities.conditional.putCreateOnly`.
   * What else its holder could do is told by `capabilities.presignedWrites`. No URL outlives the credentials that it was signed with.
   */
  presign(options: PresignOptions): Promise<PresignedRequest>
  /** The tags of an object, where `capabilities.tags`. Fails with `not-found`. */
  getTags(key: string, options?: HeadOptions): Promise<Record<string, string>>
  /**
   * Tells of changes as they happen, in batches, where `capabilities.notifications` is `listen`: what happens after the first `next()`
   * resolved or the connection stands, until the signal fires or the caller leaves the loop. A broken connection is made again by itself
   * and told as a gap; it throws only for what will not get better, such as `access-denied`.
   */
  watch(options?: WatchOptions): AsyncIterable<(ObjectEvent | EventGap)[]>
  /** Brings an archived object back; returns as soon as the store accepted the request. */
  restore(key: string, options: RestoreOptions): Promise<void>
  /** A path on this machine under which another program can read this key directly; only where `capabilities.mount`. */
  mountPath(key: string): string
  /**
   * Does what users do, to see whether the store can serve: reads a part of a canary object, writes a small object and deletes it. The canary
   * is written once, where it is missing and may be. All lie in `.stowage-probe/`. Never throws, and ends in time.
   */
  probe(options?: ProbeOptions): Promise<ProbeResult>
  /**
   * Where a folder really lies, so that two sources that name the same storage, or parts of it, can be told. Absent where nothing else can
   * lie in the same place.
   * @param prefix empty or ending in `/`; it need not exist
   */
  locate?(prefix: string): Promise<Place>
  /**
   * Looks at the source's whole set-up: whether the bucket is there, which rights are missing, what of it will cost somebody later. Slower
   * than {@link probe}, and for people. Absent where there is nothing to look at. What goes wrong is a finding; it does not throw.
   */
  diagnose?(options?: DiagnoseOptions): Promise<Diagnosis>
  /** Gives connections back. Calls after it fail with `invalid-request`. */
  close(): Promise<void>
}

/** A folder, whichever source names it. */
export interface Place {
  /** The bucket with its server, or this machine's file system. */
  readonly store: string
  /** Its path there: empty or ending in `/`. */
  readonly path: string
}

/** A folder of a source: where a sync reads or writes. `prefix` is empty or ends in `/`. */
export interface Location {
  readonly adapter: StorageAdapter
  readonly prefix: string
}
