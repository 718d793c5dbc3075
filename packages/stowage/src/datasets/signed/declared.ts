import { contentTypeOf } from '@stowage/adapters/filesystem'
import { BLOCK_SIZE, combineBlocks, StowageError } from '@stowage/core'
import type { DraftNotes, SignedRecord } from './notes.ts'
import { checkPath } from './scope.ts'

/** The limit of signature V4, in seconds: seven days. */
const LONGEST = 604_800

/** Bytes of one note of block digests: those of 64 GiB. */
const BLOCKS_PAGE = 256 * 1024

export interface SignUploadOptions {
  /** Bytes of the file. */
  size: number
  /** Its digest as `@stowage/core` computes it: the SHA-256 of up to 8 MiB; of more, the SHA-256 of the SHA-256 of every 8 MiB. */
  digest: string
  /** The SHA-256 of every 8 MiB, 32 bytes each. With them acceptance stops at the first block that is wrong, and says which. */
  blocks?: Uint8Array
  /** What the uploader must send and what readers are told. @defaultValue by the path's extension */
  contentType?: string
  /** User metadata of the object. Such a file is always sent in parts, since no URL of a single PUT binds its metadata. */
  metadata?: Record<string, string>
  /** Seconds the URLs stay good, 1 to 604800. @defaultValue 3600 */
  expiresIn?: number
  /** Bytes of a part; a file of up to so many is one PUT. Made larger where the store asks for it. @defaultValue 64 MiB */
  partSize?: number
  signal?: AbortSignal
}

/** What an uploader says of a file, checked. */
export type Declared = Pick<SignedRecord, 'path' | 'size' | 'digest' | 'contentType' | 'metadata'>

/** @throws StowageError `invalid-key`, `invalid-request` with the field that is wrong */
export function declare(path: string, options: SignUploadOptions): Declared {
  checkPath(path)
  const { size, digest, blocks, partSize, metadata } = options
  if (!Number.isSafeInteger(size) || size < 0) throw wrong('size', 'must be a number of bytes')
  if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) {
    throw wrong('digest', 'must be 64 lower-case hexadecimal digits')
  }
  if (partSize !== undefined && (!Number.isSafeInteger(partSize) || partSize < 1)) {
    throw wrong('partSize', 'must be a number of bytes')
  }
  checkExpiry(options.expiresIn)
  const contentType = options.contentType ?? contentTypeOf(path)
  if (!/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(contentType)) throw wrong('contentType', 'must be a content type')
  if (blocks !== undefined) {
    const count = Math.max(1, Math.ceil(size / BLOCK_SIZE))
    if (blocks.length !== count * 32) throw wrong('blocks', `must be ${count} digests of 32 bytes`)
    if (combineBlocks(blocks) !== digest) throw wrong('blocks', 'must give the digest of the file')
  }
  const hasMetadata = metadata !== undefined && Object.keys(metadata).length > 0
  return { path, size, digest, contentType, metadata: hasMetadata ? metadata : null }
}

/** @throws StowageError `invalid-request` */
export function checkExpiry(expiresIn = 3600): number {
  if (Number.isInteger(expiresIn) && expiresIn >= 1 && expiresIn <= LONGEST) return expiresIn
  throw wrong('expiresIn', `must be whole seconds from 1 to ${LONGEST}`)
}

export function isSame(a: Declared, b: Declared): boolean {
  const text = ({ size, digest, contentType, metadata }: Declared) =>
    JSON.stringify([size, digest, contentType, Object.entries(metadata ?? {}).sort()])
  return text(a) === text(b)
}

export function wrong(field: string, what: string): StowageError {
  return new StowageError('invalid-request', `"${field}" ${what}.`, { field })
}

/** Writes down the block digests of an attempt. Returns how many notes they take. */
export async function writeBlocks(
  notes: DraftNotes,
  attempt: Pick<SignedRecord, 'path' | 'attempt'>,
  blocks: Uint8Array | undefined,
): Promise<number> {
  if (blocks === undefined) return 0
  const pages = Math.ceil(blocks.length / BLOCKS_PAGE)
  for (let page = 0; page < pages; page++) {
    const bytes = blocks.subarray(page * BLOCKS_PAGE, (page + 1) * BLOCKS_PAGE)
    await notes.replaceBytes(notes.blocks(attempt, page), bytes)
  }
  return pages
}

/** The block digests that were given, if they are those of the declared digest; an attempt that raced with this one may have left others. */
export async function readBlocks(notes: DraftNotes, record: SignedRecord): Promise<Uint8Array | undefined> {
  const pages: Uint8Array[] = []
  for (let page = 0; page < record.blockPages; page++) {
    const bytes = await notes.readBytes(notes.blocks(record, page))
    if (bytes === undefined) return undefined
    pages.push(bytes)
  }
  if (pages.length === 0) return undefined
  const blocks = Buffer.concat(pages)
  return combineBlocks(blocks) === record.digest ? blocks : undefined
}

export async function forgetBlocks(notes: DraftNotes, record: SignedRecord): Promise<void> {
  for (let page = 0; page < record.blockPages; page++) await notes.forget(notes.blocks(record, page))
}
