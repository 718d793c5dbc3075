import { BLOCK_SIZE, type StorageAdapter, StowageError } from '@stowage/core'
import { partSizeFor } from '@stowage/sync'

/** Bytes of a part by default, and so of the largest file that goes in one PUT: lost with a connection, it is soon sent again. */
const PART_SIZE = 8 * BLOCK_SIZE

/**
 * How a file is to be sent by signed URL: in parts of so many bytes, or `null` for one PUT. One PUT must be create-only and cannot be bound to
 * metadata; a file in parts is made into an object by us, after which its URLs are good for nothing.
 *
 * @throws StowageError `not-supported` when the store cannot sign such a thing, `invalid-request` for a file that is too large
 */
export function planUpload(
  adapter: StorageAdapter,
  file: { size: number; hasMetadata: boolean; partSize?: number | undefined },
): number | null {
  const { presign, conditional, multipart, maxPutSize } = adapter.capabilities
  const { size, partSize = PART_SIZE } = file
  const inOne = presign.includes('put') && conditional.putCreateOnly && !file.hasMetadata && size <= maxPutSize
  if (inOne && size <= partSize) return null
  if (multipart !== false && presign.includes('part')) {
    const found = partSizeFor(size, partSize, multipart)
    if (Math.ceil(size / found) <= multipart.maxParts) return found
    throw new StowageError('invalid-request', `"${adapter.id}" takes no file of ${size} bytes.`, { field: 'size' })
  }
  if (inOne) return null
  throw new StowageError('not-supported', `"${adapter.id}" cannot sign an upload of ${size} bytes${why(file)}.`, {
    sourceId: adapter.id,
    field: file.hasMetadata ? 'metadata' : 'size',
    hint:
      presign.length === 0 && (adapter.type === 'filesystem' || adapter.type === 'memory')
        ? 'Give the source "presign" (baseUrl and secret) and serve presignHandler there, or upload with draft.put().'
        : 'Upload with draft.put() or draft.uploadFolder(), which go through this program.',
  })
}

function why({ hasMetadata }: { hasMetadata: boolean }): string {
  return hasMetadata ? ' with metadata' : ''
}

/** One part of a file. */
export interface PartRange {
  /** From 1. */
  partNumber: number
  /** The first of its bytes in the file. */
  start: number
  /** bytes */
  size: number
}

export function partCountOf({ size, partSize }: { size: number; partSize: number }): number {
  return Math.max(1, Math.ceil(size / partSize))
}

export function partOf({ size, partSize }: { size: number; partSize: number }, partNumber: number): PartRange {
  const start = (partNumber - 1) * partSize
  return { partNumber, start, size: Math.min(partSize, size - start) }
}
