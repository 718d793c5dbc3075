import { hasCode } from '@stowage/core'
import { retry } from '../flow/index.ts'
import { digestOf } from './compare.ts'
import { conflictOf } from './condition.ts'
import type { Job, Transfer, TransferContext, Transferred } from './context.ts'
import { transferParts } from './multipart.ts'
import { isUntold } from './part-job.ts'
import { discard } from './resume.ts'
import {
  canGoWhole,
  canPass,
  transferInside,
  transferLarge,
  transferPassing,
  transferStream,
  transferWhole,
} from './single.ts'

/** What became of a job. */
export type TransferResult =
  | ({ outcome: 'copied' } & Transferred)
  /** It is there already, with the same contents. */
  | ({ outcome: 'same' } & Transferred)
  /** The source's object is gone since it was listed. */
  | { outcome: 'vanished' }

/**
 * Brings one object over, in the way that suits it: inside the store, in one piece, or in parts. Tries again what may succeed, and starts
 * again with the newer object when the source changes meanwhile.
 *
 * @throws RunStop when nothing else could succeed either; otherwise the StowageError of the last try
 */
export async function transfer(context: TransferContext, job: Job, signal: AbortSignal): Promise<TransferResult> {
  const bytes = context.progress.begin(job.source.size, context.also)
  const current = { ...job, bytes }
  try {
    const result = await retry(
      async () => {
        try {
          return { outcome: 'copied' as const, ...(await once(context, current, signal)) }
        } catch (error) {
          if (hasCode(error, 'source-changed') && job.source.digest === undefined)
            await refresh(context, current, signal)
          if (hasCode(error, 'conflict')) {
            const same = await sameThere(context, current, signal)
            if (same !== undefined) return { outcome: 'same' as const, ...same }
          }
          if (hasCode(error, 'integrity') && !isUntold(error)) await forgetUpload(context, current, signal)
          throw error
        }
      },
      {
        clock: context.clock,
        random: context.random,
        signal,
        attempts: context.maxAttempts,
        backoff: { baseMs: 500, maxMs: 10_000 },
        outage: context.outage,
        budget: context.budget,
      },
    )
    if (result.outcome === 'copied') bytes.end()
    else bytes.drop()
    return result
  } catch (error) {
    if (hasCode(error, 'not-found') && (await isGone(context, job, signal))) {
      bytes.drop()
      return { outcome: 'vanished' }
    }
    // What was stopped is still to come.
    if (!signal.aborted) bytes.end()
    throw error
  }
}

async function once(context: TransferContext, job: Transfer, signal: AbortSignal): Promise<Transferred> {
  const { from, to } = context
  if (context.createOnly) await refuseExisting(context, job.key, signal)
  const { size, digest } = job.source
  const unconditional = !context.createOnly && !context.pinTarget
  const { multipart, maxPutSize, serverSideCopy } = to.adapter.capabilities
  if (from.adapter === to.adapter && serverSideCopy !== false && digest === undefined && unconditional) {
    if (size <= serverSideCopy.maxSize) return transferInside(context, job, signal)
    if (multipart !== false && multipart.partCopy) return transferParts(context, job, 'inside', signal)
  }
  if (size <= Math.min(context.partSize, maxPutSize)) return transferWhole(context, job, signal)
  if (canPass(context, job)) return transferPassing(context, job, signal)
  if (canGoWhole(context, job)) return transferLarge(context, job, signal)
  return multipart === false ? transferStream(context, job, signal) : transferParts(context, job, 'through', signal)
}

/** Looks at the source anew: the next try is for what it holds now. */
async function refresh(context: TransferContext, job: Transfer, signal: AbortSignal): Promise<void> {
  const { adapter, prefix } = context.from
  const { size, etag } = await adapter.head(prefix + job.source.key, { signal })
  job.bytes.resize(size)
  job.source = { ...job.source, size, etag }
}

async function isGone(context: TransferContext, job: Job, signal: AbortSignal): Promise<boolean> {
  // What a manifest names must be there.
  if (job.source.digest !== undefined) return false
  try {
    await context.from.adapter.head(context.from.prefix + job.source.key, { signal })
    return false
  } catch (error) {
    return hasCode(error, 'not-found')
  }
}

/** Parts that do not add up are not used again. */
async function forgetUpload(context: TransferContext, job: Transfer, signal: AbortSignal): Promise<void> {
  const note = await context.uploads.find(job.key)
  if (note !== undefined) await discard(context, note, signal)
  job.bytes.restart()
}

/** Compares with what somebody else made first. */
async function sameThere(context: TransferContext, job: Job, signal: AbortSignal): Promise<Transferred | undefined> {
  const there = await digestOf(context, 'to', job.key, signal).catch((error: unknown) => {
    // No object is there, but something that leaves no place for one: the conflict is what to tell.
    if (hasCode(error, 'not-found')) return undefined
    throw error
  })
  if (there?.size !== job.source.size) return undefined
  const digest = job.source.digest ?? (await digestOf(context, 'from', job.source.key, signal)).digest
  if (there.digest !== digest) return undefined
  return {
    source: { etag: job.source.etag, size: job.source.size },
    target: { etag: there.etag, size: there.size },
    digest,
  }
}

/** For stores that cannot create only: the closest there is, with a gap between the look and the write. */
async function refuseExisting(context: TransferContext, key: string, signal: AbortSignal): Promise<void> {
  const { adapter, prefix } = context.to
  const { putCreateOnly, completeCreateOnly } = adapter.capabilities.conditional
  if (putCreateOnly && completeCreateOnly) return
  try {
    await adapter.head(prefix + key, { signal })
  } catch (error) {
    if (hasCode(error, 'not-found')) return
    throw error
  }
  throw conflictOf(key)
}
