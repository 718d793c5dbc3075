import type { Readable } from 'node:stream'
import type { ObjectInfo } from '@stowage/core'
import { areTold, type Job, type TransferContext, wantsDigest } from './context.ts'
import { alignedPartSize } from './evidence.ts'
import { openRange } from './read.ts'

/** The read of the first parts of an object, which tells of the object what a request of its own would. */
export interface FirstRead {
  info: ObjectInfo
  /** Of which size the parts were taken to be, in bytes. */
  partSize: number
  /** The number behind its last part. */
  end: number
  body: Readable
}

/**
 * Opens the read of an object's first parts at once, where the listing tells that they will pass and what size they have. `undefined` where the
 * object has to be asked about first.
 * @throws StowageError `source-changed` when the object is another one by now
 */
export async function openFirst(
  context: TransferContext,
  job: Job,
  signal: AbortSignal,
): Promise<FirstRead | undefined> {
  const { to, bandwidth, units, large } = context
  const { key, size, etag } = job.source
  const limits = to.adapter.capabilities.multipart
  if (!areTold(context) || wantsDigest(context, job) || bandwidth !== undefined || limits === false) return undefined
  const listed: ObjectInfo = { key, size, etag, lastModified: 0, metadata: {} }
  const partSize = alignedPartSize(listed, true, context.partSize, limits)
  if (partSize === undefined) return undefined
  const count = Math.ceil(size / partSize)
  units.expect(partSize)
  const parts = sharedParts(count, units.roomFor(partSize) / Math.max(1, large.used))
  const range = { start: 0, length: Math.min(parts * partSize, size) }
  const { info, body } = await openRange(context, { key, size, etag, versionId: undefined }, range, signal)
  // Until somebody reads it nobody listens; who reads it finds it destroyed.
  body.on('error', () => {})
  return { info, partSize, end: parts + 1, body }
}

/** Parts in a row for each of those who share so many. */
export function sharedParts(count: number, sharers: number): number {
  return Math.min(count, Math.ceil(count / Math.max(1, sharers)))
}
