import { hasCode, type ObjectInfo, StowageError, type UploadedPart } from '@stowage/core'
import { retry } from '../flow/index.ts'
import { bareEtag, isMd5 } from '../plan/index.ts'
import type { SentPart, UploadNote } from '../state/index.ts'
import { areTold, isMisled, type Transfer, type TransferContext, wantsDigest } from './context.ts'
import { type Evidence, evidenceFor, OrderedMd5 } from './evidence.ts'

/** How the parts are made: their bytes pass through here, or the store copies them by itself. */
export type PartSource = 'through' | 'inside'

/** An upload at work. */
export interface PartJob {
  job: Transfer
  note: UploadNote
  how: PartSource
  /** The source's object as it was when this began. */
  info: ObjectInfo
  evidence: Evidence
  ordered: OrderedMd5 | undefined
  /** Whether the digests of blocks are computed. */
  blocks: boolean
}

export function partJob(
  context: TransferContext,
  job: Transfer,
  note: UploadNote,
  how: PartSource,
  info: ObjectInfo,
): PartJob {
  const { etagIsMd5 } = context.from.adapter.capabilities
  const evidence =
    how === 'inside' || job.source.digest !== undefined
      ? 'none'
      : evidenceFor(info, {
          etagIsMd5,
          partSize: note.record.partSize,
          fresh: note.parts.size === 0,
          misled: isMisled(context),
        })
  // A run before that computed them had found out that the target does not tell them.
  if (evidence === 'md5-parts' && [...note.parts.values()].some(isSummed)) context.partsUntold = true
  const ordered = evidence === 'md5' ? new OrderedMd5() : undefined
  return { job, note, how, info, evidence, ordered, blocks: wantsDigest(context, job) }
}

/** Does what sends a part, with the tries that it has. */
export async function patientPart(
  context: TransferContext,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  await retry(work, {
    clock: context.clock,
    random: context.random,
    signal,
    attempts: context.maxAttempts,
    backoff: { baseMs: 500, maxMs: 10_000 },
    outage: context.outage,
    budget: context.budget,
    // Another version of the source needs another upload, not another try of the part; so does a target that tells something else.
    final: (error) => error.code === 'source-changed' || error.field === untold,
  })
}

/** Whether the target tells of each part what the source's etag is made of: then nothing need be computed here. */
export function passes(context: TransferContext, { evidence, blocks }: PartJob): boolean {
  return evidence === 'md5-parts' && areTold(context) && !blocks
}

/** The field of the error for a target that tells no MD5 of parts. */
const untold = 'etag'

/**
 * What the target computed of a part that passed, of which nothing else is known.
 * @throws StowageError `integrity` when that is no MD5, as where keys of the store's own encrypt: from then on parts do not pass
 */
export function toldOf(context: TransferContext, { job }: PartJob, part: UploadedPart): { md5: string } {
  const { md5 } = md5Of(part)
  if (md5 !== undefined) return { md5 }
  context.partsUntold = true
  throw new StowageError('integrity', `The target tells no MD5 of the parts of "${job.key}".`, {
    key: job.key,
    field: untold,
  })
}

/** Whether an error only says that the target tells no MD5 of parts: those that are noted are right. */
export function isUntold(error: unknown): boolean {
  return hasCode(error, 'integrity') && error.field === untold
}

/** Whether the sums of a part were computed here. */
export function isSummed({ crc32 }: SentPart): boolean {
  return crc32 !== undefined
}

/** What the target computed of a part that it has. */
export function md5Of({ etag }: UploadedPart): { md5?: string } {
  const bare = bareEtag(etag)
  return isMd5(bare) ? { md5: bare.toLowerCase() } : {}
}

/** The error for a part that did not arrive whole. */
export function wrongSize({ job }: PartJob, found: number, size: number): StowageError {
  return new StowageError('integrity', `The target has ${found} bytes of a part of ${size}.`, { key: job.key })
}
