import { createHash } from 'node:crypto'
import { hasCode, StowageError } from '@stowage/core'
import { sameEtag } from '../plan/index.ts'
import type { UploadOutcome } from '../state/index.ts'
import { asConflict, completeCondition, lookFirst } from './condition.ts'
import { isMisled, type TransferContext } from './context.ts'
import { holdsAgainst } from './evidence.ts'
import { isCopyOf } from './headers.ts'
import { digestOfParts, holdsParts, partsInOrder } from './noted-parts.ts'
import { isSummed, type PartJob } from './part-job.ts'
import { checkDigest, corrupt, openPinned } from './read.ts'
import { findLanded } from './resume.ts'

/** Completes the upload, looks at the result and writes it down. */
export async function finish(context: TransferContext, parts: PartJob, signal: AbortSignal): Promise<UploadOutcome> {
  const { job, note } = parts
  const digest = digestOfParts(note)
  checkDigest(job.key, job.source.digest, digest)
  await checkParts(context, parts, signal)
  const { to } = context
  const { targetKey, uploadId, source } = note.record
  const uploaded = partsInOrder(note).map(({ partNumber, etag, size, checksum }) => {
    return { partNumber, etag, size, ...(checksum === undefined ? {} : { checksum }) }
  })
  // When the answer is lost they tell whether the object is this one.
  await note.flush()
  const condition = completeCondition(context, job)
  await job.announce?.({ source: { etag: source.etag, size: source.size }, digest })
  if (context.pinTarget && Object.keys(condition).length === 0) await lookFirst(context, job, signal)
  let said: string | undefined
  try {
    const { etag } = await to.adapter.multipart.complete(targetKey, uploadId ?? '', uploaded, {
      ...condition,
      signal,
    })
    if (etag !== '') said = etag
  } catch (error) {
    // An answer that was lost: the upload is gone because it became the object.
    const landed = hasCode(error, 'not-found', 'precondition-failed')
      ? await findLanded(context, job, note, signal)
      : undefined
    if (landed === undefined) throw asConflict(context, job, restartable(error))
    // Somebody else made the same object first: then our upload is still there.
    if (hasCode(error, 'precondition-failed')) await to.adapter.multipart.abort(targetKey, uploadId ?? '', { signal })
  }
  const there = await to.adapter.head(targetKey, { signal })
  if (there.size !== source.size) {
    throw new StowageError('integrity', `The target has ${there.size} bytes of "${job.key}", not ${source.size}.`, {
      key: job.key,
    })
  }
  // A store that says it is done while the object of before still lies there.
  const other = said !== undefined && !sameEtag(said, there.etag)
  if (other && !isCopyOf(there, { key: job.key, size: source.size, etag: source.etag }, context.from)) {
    throw new StowageError(
      'integrity',
      `The target completed the upload of "${job.key}" and has another object there.`,
      {
        key: job.key,
      },
    )
  }
  const result = { etag: there.etag, ...(digest === undefined ? {} : { digest }) }
  await note.save({ outcome: result })
  return result
}

/** An upload that the store does not know any more, or not in this way, is begun anew by the next try. */
function restartable(error: unknown): unknown {
  if (!hasCode(error, 'not-found', 'invalid-request')) return error
  return new StowageError('integrity', `The upload could not be completed: ${error.message}`, { cause: error })
}

/**
 * Holds what was read against what the source says of the whole object.
 * @throws StowageError `integrity` when they differ
 */
async function checkParts(context: TransferContext, parts: PartJob, signal: AbortSignal): Promise<void> {
  const { evidence, info, job, note, ordered } = parts
  const { partsTold } = context
  const isTold = evidence === 'crc32-parts' || evidence === 'md5-parts'
  const holds = holdsAgainst(evidence, info, partsInOrder(note), ordered)
  // Its parts came too far out of order. Of one that an earlier run began nothing is read again: that might never come to an end.
  if (holds === undefined && evidence === 'md5') return await readAgain(context, parts, signal)
  if (holds === true && isTold) partsTold.held++
  if (holds !== false || (isTold && isMisled(context))) return
  if (evidence === 'crc32' || evidence === 'checksum' || evidence === 'md5') throw corrupt(job.key)
  // The source's own parts may have had another size than their number made us think. So read it once more, without sending it.
  if (!(await isAsSent(context, parts, signal))) {
    // Where keys of the store's own encrypt, what it tells of a part may look like an MD5 and be none.
    if (!partsInOrder(note).every(isSummed)) context.partsUntold = true
    throw corrupt(job.key)
  }
  if (partsTold.misled++ > 0) return
  context.warn(
    `"${job.key}" was read twice and was the same, but its parts do not give what "${context.from.adapter.id}" tells of them. They may have been of other sizes; then nothing tells whether the bytes are right. Others that disagree are read twice, too, as long as most agree.`,
  )
}

/** Computes the MD5 of an object whose parts did not tell it. */
async function readAgain(context: TransferContext, parts: PartJob, signal: AbortSignal): Promise<void> {
  const md5 = createHash('md5')
  const same = await isAsSent(context, parts, signal, (chunk) => md5.update(chunk))
  if (!same || md5.digest('hex') !== parts.info.etag.toLowerCase()) throw corrupt(parts.job.key)
}

/** Reads the source's object once more, without sending it, and compares it with the parts that went over. */
async function isAsSent(
  context: TransferContext,
  { job, note }: PartJob,
  signal: AbortSignal,
  onChunk?: (chunk: Uint8Array) => void,
): Promise<boolean> {
  const { size, etag, versionId } = note.record.source
  return await context.units.run(1024 * 1024, signal, async (signal) => {
    const { body } = await openPinned(context, { key: job.source.key, size, etag, versionId }, undefined, signal)
    return await holdsParts(seen(body, onChunk), note, undefined)
  })
}

async function* seen(
  body: AsyncIterable<Uint8Array>,
  onChunk: ((chunk: Uint8Array) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    onChunk?.(chunk)
    yield chunk
  }
}
