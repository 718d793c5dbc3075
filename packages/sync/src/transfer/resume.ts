import { hasCode, type ObjectInfo, type UploadedPart } from '@stowage/core'
import { sameEtag } from '../plan/index.ts'
import type { SourcePin, UploadNote, UploadOutcome } from '../state/index.ts'
import { areTold, type Job, type Transfer, type TransferContext, wantsDigest } from './context.ts'
import { evidenceFor } from './evidence.ts'
import { isCopyOf } from './headers.ts'
import { digestOfParts, holdsParts } from './noted-parts.ts'
import { isSummed, md5Of, type PartSource } from './part-job.ts'

/** Finds what an earlier run left: a finished object, an upload to go on with, or nothing (then what is left of it is thrown away). */
export async function resume(
  context: TransferContext,
  job: Transfer,
  info: ObjectInfo,
  how: PartSource,
  signal: AbortSignal,
): Promise<UploadNote | UploadOutcome | undefined> {
  const note = await context.uploads.find(job.key)
  if (note === undefined) {
    job.bytes.restart()
    return undefined
  }
  const { record } = note
  const usable = samePin(record.source, info) && record.targetKey === context.to.prefix + job.key
  if (usable && record.outcome !== null) {
    const { target } = job
    if (target !== undefined && sameEtag(target.etag, record.outcome.etag) && target.size === info.size) {
      resumed(context, job, note, info.size)
      return record.outcome
    }
  }
  if (usable && record.outcome === null && record.uploadId !== null) {
    try {
      const parts = await context.to.adapter.multipart.listParts(record.targetKey, record.uploadId, { signal })
      keepKnown(note, parts)
      if (how === 'through') takeTold(context, job, info, note, parts)
      resumed(
        context,
        job,
        note,
        [...note.parts.values()].reduce((sum, { size }) => sum + size, 0),
      )
      return note
    } catch (error) {
      if (!hasCode(error, 'not-found')) throw error
      const landed = await findLanded(context, job, note, signal)
      if (landed !== undefined) {
        resumed(context, job, note, info.size)
        await note.save({ outcome: landed })
        return landed
      }
    }
  }
  await discard(context, note, signal)
  job.bytes.restart()
  return undefined
}

/** Counts what is there already. */
function resumed(context: TransferContext, job: Transfer, note: UploadNote, bytes: number): void {
  job.bytes.resume(bytes, note.earlier)
  context.progress.touch()
}

function samePin(pin: SourcePin, info: ObjectInfo): boolean {
  return sameEtag(pin.etag, info.etag) && pin.size === info.size && pin.versionId === info.versionId
}

/** Only parts that both we and the store know of, and know in the same way, count as sent. */
function keepKnown(note: UploadNote, stored: readonly UploadedPart[]): void {
  const byNumber = new Map(stored.map((part) => [part.partNumber, part]))
  for (const [number, part] of note.parts) {
    const there = byNumber.get(number)
    if (there === undefined || !sameEtag(there.etag, part.etag) || there.size !== part.size) note.parts.delete(number)
  }
}

/**
 * Takes the parts that only the store knows of, where that is all there is to know: their MD5s must make up the etag of the source in the end, so
 * one with other bytes is found out. They had passed as they came, which is not written down part by part.
 */
function takeTold(
  context: TransferContext,
  job: Job,
  info: ObjectInfo,
  note: UploadNote,
  stored: readonly UploadedPart[],
): void {
  const { partSize } = note.record
  if (!areTold(context) || wantsDigest(context, job)) return
  if (
    evidenceFor(info, { etagIsMd5: true, partSize, fresh: true, misled: false }) !== 'md5-parts' ||
    [...note.parts.values()].some(isSummed)
  )
    return
  for (const part of stored) {
    const { partNumber, size } = part
    const isOurs = partNumber <= note.partCount && size === Math.min(partSize, info.size - (partNumber - 1) * partSize)
    const told = md5Of(part)
    if (isOurs && told.md5 !== undefined && !note.parts.has(partNumber)) note.keepPart({ ...part, ...told })
  }
}

/** Throws away an upload and its note. An upload whose id was never written down is found by its exact key. */
export async function discard(
  context: Pick<TransferContext, 'to' | 'uploads'>,
  note: UploadNote,
  signal: AbortSignal,
): Promise<void> {
  const { record } = note
  if (record.outcome === null) {
    const { multipart } = context.to.adapter
    if (record.uploadId !== null) await multipart.abort(record.targetKey, record.uploadId, { signal })
    else {
      for (const { key, uploadId } of await multipart.list(record.targetKey, { signal })) {
        if (key === record.targetKey) await multipart.abort(key, uploadId, { signal })
      }
    }
  }
  await context.uploads.remove(note)
}

/** Looks whether the object in the target is what this upload was to become: by its metadata, or else by reading it. */
export async function findLanded(
  context: TransferContext,
  job: Job,
  note: UploadNote,
  signal: AbortSignal,
): Promise<UploadOutcome | undefined> {
  const { adapter } = context.to
  const { targetKey, source } = note.record
  try {
    const there = await adapter.head(targetKey, { signal })
    if (there.size !== source.size) return undefined
    const digest = digestOfParts(note)
    const result = { etag: there.etag, ...(digest === undefined ? {} : { digest }) }
    if (isCopyOf(there, { key: job.key, size: source.size, etag: source.etag }, context.from)) return result
    const { body } = await adapter.get(targetKey, { signal })
    return (await holdsParts(body, note, digest)) ? result : undefined
  } catch (error) {
    if (hasCode(error, 'not-found')) return undefined
    throw error
  }
}
