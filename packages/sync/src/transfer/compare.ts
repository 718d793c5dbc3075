import { digestStream, hasCode } from '@stowage/core'
import { retry } from '../flow/index.ts'
import { type PlannedObject, type Side, sameEtag } from '../plan/index.ts'
import type { Job, TransferContext, Transferred } from './context.ts'
import { isCopyOf, isFrom } from './headers.ts'
import { changed } from './read.ts'

/** Memory that a stream takes while it is read, about, in bytes. */
const streamBytes = 1024 * 1024

/** Reads an object of one side to its end. */
export async function digestOf(
  context: TransferContext,
  side: Side,
  key: string,
  signal: AbortSignal,
): Promise<{ digest: string; size: number; etag: string }> {
  const { adapter, prefix } = context[side]
  return await context.units.run(streamBytes, signal, async (signal) => {
    const { info, body } = await adapter.get(prefix + key, { signal })
    const { digest, size } = await digestStream(body)
    return { digest, size, etag: info.etag }
  })
}

/** {@link digestOf}, with the tries that an object has. */
export function digestPatiently(
  context: TransferContext,
  side: Side,
  key: string,
  signal: AbortSignal,
): Promise<{ digest: string; size: number; etag: string }> {
  return patient(context, signal, () => digestOf(context, side, key, signal))
}

/** Does something about one object, with the tries that it has. */
export function patient<T>(context: TransferContext, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return retry(work, {
    clock: context.clock,
    random: context.random,
    signal,
    attempts: context.maxAttempts,
    backoff: { baseMs: 500, maxMs: 10_000 },
    outage: context.outage,
    budget: context.budget,
  })
}

/** Asks the target's metadata whether its object is a copy of the source's. */
export async function vouchedFor(
  context: TransferContext,
  job: Job,
  signal: AbortSignal,
): Promise<Transferred | undefined> {
  const { adapter, prefix } = context.to
  return await patient(context, signal, () =>
    context.units.run(0, signal, async (signal) => {
      try {
        const info = await adapter.head(prefix + job.key, { signal })
        if (!sameEtag(info.etag, job.target?.etag ?? '') || !isCopyOf(info, job.source, context.from)) return undefined
        return known(job.source, { etag: info.etag, size: info.size }, job.source.digest)
      } catch (error) {
        if (hasCode(error, 'not-found')) return undefined
        throw error
      }
    }),
  )
}

/** Asks the target's metadata whether its object, which is none that we know of, came from this source all the same. */
export async function cameFrom(context: TransferContext, job: Job, signal: AbortSignal): Promise<boolean> {
  const { adapter, prefix } = context.to
  return await patient(context, signal, () =>
    context.units.run(0, signal, async (signal) => {
      try {
        const info = await adapter.head(prefix + job.key, { signal })
        return sameEtag(info.etag, job.target?.etag ?? '') && isFrom(info, context.from)
      } catch (error) {
        if (hasCode(error, 'not-found')) return false
        throw error
      }
    }),
  )
}

/**
 * Asks the source's metadata whether its object is a copy of the target's, as it is where syncs go round in a ring.
 * @param older whether one that was copied from what the target had before counts, too: the target has something newer then
 */
export async function echoOf(
  context: TransferContext,
  job: Job,
  older: boolean,
  signal: AbortSignal,
): Promise<Transferred | undefined> {
  const { target } = job
  const { adapter, prefix } = context.from
  if (target === undefined || adapter.capabilities.metadata !== 'native') return undefined
  return await patient(context, signal, () =>
    context.units.run(0, signal, async (signal) => {
      try {
        const info = await adapter.head(prefix + job.source.key, { signal })
        const isEcho = isCopyOf(info, target, context.to) || (older && isFrom(info, context.to))
        if (!sameEtag(info.etag, job.source.etag) || !isEcho) return undefined
        return known(job.source, { etag: target.etag, size: target.size }, undefined)
      } catch (error) {
        if (hasCode(error, 'not-found')) return undefined
        throw error
      }
    }),
  )
}

/** Reads both sides and compares their digests. Gives the entry when they are the same. */
export async function compareBytes(
  context: TransferContext,
  job: Job,
  signal: AbortSignal,
): Promise<Transferred | undefined> {
  return await patient(context, signal, async () => {
    const [source, target] = await Promise.all([
      digestOf(context, 'from', job.source.key, signal),
      digestOf(context, 'to', job.key, signal).catch((error: unknown) => {
        if (hasCode(error, 'not-found')) return undefined
        throw error
      }),
    ])
    if (!job.source.etag.startsWith('sha256:') && !sameEtag(source.etag, job.source.etag)) throw changed(job.key)
    if (job.source.digest !== undefined && source.digest !== job.source.digest) return undefined
    if (target === undefined || source.size !== target.size || source.digest !== target.digest) return undefined
    return known(job.source, { etag: target.etag, size: target.size }, source.digest)
  })
}

function known(source: PlannedObject, target: { etag: string; size: number }, digest: string | undefined): Transferred {
  return { source: { etag: source.etag, size: source.size }, target, ...(digest === undefined ? {} : { digest }) }
}
