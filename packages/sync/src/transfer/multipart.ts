import { crc32 } from 'node:zlib'
import {
  combineBlocks,
  digestStream,
  hasCode,
  type ObjectInfo,
  StowageError,
  throwIfAborted,
  type UploadedPart,
} from '@stowage/core'
import { retry, Semaphore } from '../flow/index.ts'
import type { SentPart, SourcePin, UploadNote, UploadOutcome } from '../state/index.ts'
import type { Job, TransferContext, Transferred } from './context.ts'
import { headersFor, isCopyOf } from './headers.ts'
import { partSizeFor } from './part-size.ts'
import { changed, checkDigest, checksumFor, readPinned, sumsOf } from './read.ts'
import { asConflict } from './single.ts'

/** How the parts are made: their bytes pass through here, or the store copies them by itself. */
export type PartSource = 'through' | 'inside'

/**
 * Moves a large object in parts. What is done is written down part by part, so that whoever goes on sends only parts that were in
 * flight. The source is pinned: parts of two versions never meet in one object.
 */
export async function transferParts(
  context: TransferContext,
  job: Job,
  how: PartSource,
  signal: AbortSignal,
): Promise<Transferred> {
  const release = await context.large.acquire(1, signal)
  try {
    const { adapter, prefix } = context.from
    const info = await adapter.head(prefix + job.key, { signal })
    if (info.size !== job.source.size || !(isManifestTag(job.source.etag) || info.etag === job.source.etag))
      throw changed(job.key)
    const found = await resume(context, job, info, signal)
    if (found !== undefined && 'etag' in found) return outcome(job, found, await context.uploads.find(job.key))
    const note = found ?? (await begin(context, job, info, how, signal))
    await sendParts(context, job, note, how, signal)
    return outcome(job, await finish(context, job, note, signal), note)
  } finally {
    release()
  }
}

function isManifestTag(etag: string): boolean {
  return etag.startsWith('sha256:')
}

function outcome(job: Job, { etag, digest }: UploadOutcome, note: UploadNote | undefined): Transferred {
  const { size } = job.source
  const blocks = note === undefined ? undefined : blocksOf(note)
  return {
    source: { etag: job.source.etag, size },
    target: { etag, size },
    ...(digest === undefined ? {} : { digest }),
    ...(blocks === undefined ? {} : { blocks }),
  }
}

/** Finds what an earlier run left: a finished object, an upload to go on with, or nothing (then what is left of it is thrown away). */
async function resume(
  context: TransferContext,
  job: Job,
  info: ObjectInfo,
  signal: AbortSignal,
): Promise<UploadNote | UploadOutcome | undefined> {
  const note = await context.uploads.find(job.key)
  if (note === undefined) return undefined
  const { record } = note
  const usable = samePin(record.source, info) && record.targetKey === context.to.prefix + job.key
  if (usable && record.outcome !== null) {
    const { target } = job
    if (target?.etag === record.outcome.etag && target.size === info.size) {
      resumed(context, note, info.size)
      return record.outcome
    }
  }
  if (usable && record.outcome === null && record.uploadId !== null) {
    try {
      const parts = await context.to.adapter.multipart.listParts(record.targetKey, record.uploadId, { signal })
      keepKnown(note, parts)
      for (const part of note.parts.values()) resumed(context, note, part.size)
      return note
    } catch (error) {
      if (!hasCode(error, 'not-found')) throw error
      const landed = await findLanded(context, job, note, signal)
      if (landed !== undefined) {
        resumed(context, note, info.size)
        await note.save({ outcome: landed })
        return landed
      }
    }
  }
  await discard(context, note, signal)
  return undefined
}

function resumed(context: TransferContext, note: UploadNote, bytes: number): void {
  if (!note.earlier) return
  context.progress.resumed += bytes
  context.progress.settled += bytes
  context.progress.touch()
}

function samePin(pin: SourcePin, info: ObjectInfo): boolean {
  return pin.etag === info.etag && pin.size === info.size && pin.versionId === info.versionId
}

/** Only parts that both we and the store know of, and know in the same way, count as sent. */
function keepKnown(note: UploadNote, stored: readonly UploadedPart[]): void {
  const byNumber = new Map(stored.map((part) => [part.partNumber, part]))
  for (const [number, part] of note.parts) {
    const there = byNumber.get(number)
    if (there?.etag !== part.etag || there.size !== part.size) note.parts.delete(number)
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

async function begin(
  context: TransferContext,
  job: Job,
  info: ObjectInfo,
  how: PartSource,
  signal: AbortSignal,
): Promise<UploadNote> {
  const { to } = context
  const limits = to.adapter.capabilities.multipart
  if (limits === false)
    throw new StowageError('not-supported', 'The target takes no multipart uploads.', { key: job.key })
  const large = how === 'inside' ? Math.max(context.partSize, 512 * 1024 * 1024) : context.partSize
  const wanted = job.source.digest === undefined ? large : Math.max(large, 8 * 1024 * 1024)
  const note = await context.uploads.begin({
    key: job.key,
    targetKey: to.prefix + job.key,
    source: {
      etag: info.etag,
      size: info.size,
      ...(info.versionId === undefined ? {} : { versionId: info.versionId }),
    },
    partSize: partSizeFor(info.size, wanted, limits),
    nonce: context.random.id(context.clock.now()),
    uploadId: null,
    outcome: null,
  })
  const headers = headersFor(info, job.source, context.from, to)
  const { uploadId } = await to.adapter.multipart.create(to.prefix + job.key, { ...headers, signal })
  await note.save({ uploadId })
  return note
}

async function sendParts(
  context: TransferContext,
  job: Job,
  note: UploadNote,
  how: PartSource,
  signal: AbortSignal,
): Promise<void> {
  const missing: number[] = []
  for (let number = 1; number <= note.partCount; number++) if (!note.parts.has(number)) missing.push(number)
  const failed = new AbortController()
  const both = AbortSignal.any([signal, failed.signal])
  // Workers take parts as they come; how many are really in flight is up to the units' slots and memory.
  const lanes = new Semaphore(Math.min(missing.length, 16))
  const running: Promise<void>[] = []
  let firstError: unknown
  for (const number of missing) {
    const release = await lanes.acquire(1, both).catch(() => undefined)
    if (release === undefined) break
    const part = sendPart(context, job, note, number, how, both)
      .catch((error: unknown) => {
        firstError ??= error
        failed.abort(error)
      })
      .finally(() => {
        release()
        running.splice(running.indexOf(part), 1)
      })
    running.push(part)
  }
  await Promise.all(running)
  if (firstError !== undefined) throw firstError
  throwIfAborted(signal)
}

async function sendPart(
  context: TransferContext,
  job: Job,
  note: UploadNote,
  number: number,
  how: PartSource,
  signal: AbortSignal,
): Promise<void> {
  const { record } = note
  const start = (number - 1) * record.partSize
  const length = Math.min(record.partSize, record.source.size - start)
  const send = how === 'through' ? sendThrough : sendInside
  await retry(
    () =>
      context.units.run(how === 'through' ? length : 0, signal, async (signal) => {
        const part = await send(context, job, note, number, { start, length }, signal)
        if (part.size !== length) {
          throw new StowageError('integrity', `The target has ${part.size} bytes of a part of ${length}.`, {
            key: job.key,
          })
        }
        await note.addPart(part)
        if (how === 'through') context.progress.sent(length)
        else context.progress.settled += length
      }),
    {
      clock: context.clock,
      random: context.random,
      signal,
      attempts: context.maxAttempts,
      backoff: { baseMs: 500, maxMs: 10_000 },
      outage: context.outage,
      budget: context.budget,
      // Another version of the source needs another upload, not another try of the part.
      final: (error) => error.code === 'source-changed',
    },
  )
}

type Range = { start: number; length: number }

async function sendThrough(
  context: TransferContext,
  job: Job,
  note: UploadNote,
  number: number,
  range: Range,
  signal: AbortSignal,
): Promise<SentPart> {
  const { source, targetKey, uploadId } = note.record
  const pin = { key: job.key, size: source.size, etag: source.etag, versionId: source.versionId }
  const { bytes } = await readPinned(context, pin, range, signal)
  const sums = sumsOf(bytes, range.start)
  const part = await context.to.adapter.multipart.uploadPart(targetKey, uploadId ?? '', number, bytes, {
    ...checksumFor(context, sums.crc32),
    size: range.length,
    signal,
  })
  return { ...part, crc32: sums.crc32, ...(sums.blocks === undefined ? {} : { blocks: sums.blocks }) }
}

async function sendInside(
  context: TransferContext,
  job: Job,
  note: UploadNote,
  number: number,
  range: Range,
  signal: AbortSignal,
): Promise<SentPart> {
  const { source, targetKey, uploadId } = note.record
  return await context.to.adapter.multipart.uploadPartCopy(
    targetKey,
    uploadId ?? '',
    number,
    context.from.prefix + job.key,
    {
      range,
      sourceIfMatch: source.etag,
      signal,
    },
  )
}

/** Completes the upload, looks at the result and writes it down. */
async function finish(
  context: TransferContext,
  job: Job,
  note: UploadNote,
  signal: AbortSignal,
): Promise<UploadOutcome> {
  const digest = digestOfParts(note)
  checkDigest(job.key, job.source.digest, digest)
  const { to } = context
  const { targetKey, uploadId, source } = note.record
  const parts = [...note.parts.values()]
    .sort((a, b) => a.partNumber - b.partNumber)
    .map(({ partNumber, etag, size, checksum }) => ({
      partNumber,
      etag,
      size,
      ...(checksum === undefined ? {} : { checksum }),
    }))
  const createOnly = context.createOnly && to.adapter.capabilities.conditional.completeCreateOnly
  try {
    await to.adapter.multipart.complete(targetKey, uploadId ?? '', parts, {
      ...(createOnly ? { ifNoneMatch: '*' as const } : {}),
      signal,
    })
  } catch (error) {
    // An answer that was lost: the upload is gone because it became the object.
    const landed = hasCode(error, 'not-found', 'precondition-failed')
      ? await findLanded(context, job, note, signal)
      : undefined
    if (landed === undefined) throw asConflict(context, job.key, restartable(error))
  }
  const there = await to.adapter.head(targetKey, { signal })
  if (there.size !== source.size) {
    throw new StowageError('integrity', `The target has ${there.size} bytes of "${job.key}", not ${source.size}.`, {
      key: job.key,
    })
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

/** The digest of the whole from its parts', when every part began at a block's start and came through here. */
function digestOfParts(note: UploadNote): string | undefined {
  const blocks = blocksOf(note)
  return blocks === undefined ? undefined : combineBlocks(blocks)
}

function blocksOf(note: UploadNote): Uint8Array | undefined {
  const blocks: Uint8Array[] = []
  for (let number = 1; number <= note.partCount; number++) {
    const part = note.parts.get(number)
    if (part?.blocks === undefined) return undefined
    blocks.push(part.blocks)
  }
  return Buffer.concat(blocks)
}

/** Looks whether the object in the target is what this upload was to become: by its metadata, or else by reading it. */
async function findLanded(
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

/** Reads an object and compares it with what was noted of the parts it should be made of. */
async function holdsParts(
  body: AsyncIterable<Uint8Array>,
  note: UploadNote,
  digest: string | undefined,
): Promise<boolean> {
  if (digest !== undefined) return (await digestStream(body)).digest === digest
  const { partSize, source } = note.record
  let at = 0
  let crc = 0
  for await (const chunk of body) {
    for (let rest = chunk; rest.length > 0; ) {
      const number = Math.floor(at / partSize) + 1
      const end = Math.min(number * partSize, source.size)
      const piece = rest.subarray(0, end - at)
      if (piece.length === 0) return false
      crc = crc32(piece, crc)
      at += piece.length
      rest = rest.subarray(piece.length)
      if (at < end) continue
      if (note.parts.get(number)?.crc32 !== crc) return false
      crc = 0
    }
  }
  return at === source.size
}
