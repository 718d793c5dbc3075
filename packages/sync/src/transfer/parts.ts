import { type ObjectInfo, StowageError, throwIfAborted, type UploadedPart } from '@stowage/core'
import { type Piece, retry, Semaphore } from '../flow/index.ts'
import { bareEtag, isMd5 } from '../plan/index.ts'
import type { SentPart, UploadNote } from '../state/index.ts'
import type { Transfer, TransferContext } from './context.ts'
import { type Evidence, evidenceFor, OrderedMd5 } from './evidence.ts'
import { checksumFor, corrupt, openPinned, type ReadPin, readPinned, sumsOf } from './read.ts'

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
  const wanted = context.digests || job.source.digest !== undefined
  const { etagIsMd5 } = context.from.adapter.capabilities
  const evidence =
    how === 'inside' || job.source.digest !== undefined
      ? 'none'
      : evidenceFor(info, etagIsMd5, note.record.partSize, note.parts.size === 0)
  // Two long hashes of the same bytes are one too many, unless somebody asked for the second.
  const blocks = wanted || (evidence !== 'md5' && evidence !== 'md5-parts')
  return { job, note, how, info, evidence, ordered: evidence === 'md5' ? new OrderedMd5() : undefined, blocks }
}

/** Sends the parts that are missing. The first failure ends the others; what has arrived stays noted. */
export async function sendParts(context: TransferContext, parts: PartJob, signal: AbortSignal): Promise<void> {
  const { note } = parts
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
    const part = sendPart(context, parts, number, both)
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

async function sendPart(context: TransferContext, parts: PartJob, number: number, signal: AbortSignal): Promise<void> {
  const { job, note, how } = parts
  const { record } = note
  const start = (number - 1) * record.partSize
  const length = Math.min(record.partSize, record.source.size - start)
  const send = how === 'through' ? sendThrough : sendInside
  await retry(
    () =>
      context.units.run(how === 'through' ? length : 0, signal, async (signal) => {
        const piece = job.bytes.piece()
        try {
          const part = await send(context, parts, number, { start, length }, signal, piece)
          if (part.size !== length) {
            throw new StowageError('integrity', `The target has ${part.size} bytes of a part of ${length}.`, {
              key: job.key,
            })
          }
          await note.addPart(part)
        } catch (error) {
          piece.fail()
          throw error
        }
        if (how === 'through') piece.arrive(length)
        else job.bytes.copied(length)
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
  { job, note, evidence, ordered, blocks }: PartJob,
  number: number,
  range: Range,
  signal: AbortSignal,
  piece: Piece,
): Promise<SentPart> {
  const { source, targetKey, uploadId } = note.record
  const pin = { key: job.source.key, size: source.size, etag: source.etag, versionId: source.versionId }
  const told = evidence === 'md5-parts' && context.to.adapter.capabilities.etagIsMd5
  if (told && !blocks && range.length > bufferedBytes)
    return sendPassing(context, note, number, pin, range, signal, piece)
  const { bytes } = await readPinned(context, pin, range, signal)
  const sums = sumsOf(bytes, range.start, { blocks, md5: evidence === 'md5-parts' && !told })
  if (ordered?.add(number, bytes, sums.crc32 ?? 0) === false) throw corrupt(job.key)
  const part = await context.to.adapter.multipart.uploadPart(targetKey, uploadId ?? '', number, bytes, {
    ...checksumFor(context, sums.crc32),
    size: range.length,
    signal,
  })
  return { ...part, ...sums, ...(told ? md5Of(part) : {}) }
}

/** Parts up to this have a checksum of ours with them; larger ones pass as they come, in bytes. */
const bufferedBytes = 8 * 1024 * 1024

/** Sends a part as it comes. Its MD5, which the target tells, shows in the end whether the bytes were right. */
async function sendPassing(
  context: TransferContext,
  note: UploadNote,
  number: number,
  pin: ReadPin,
  range: Range,
  signal: AbortSignal,
  piece: Piece,
): Promise<SentPart> {
  const { targetKey, uploadId } = note.record
  const { body } = await openPinned(context, pin, range, signal, piece.pass)
  try {
    const options = { size: range.length, signal }
    const part = await context.to.adapter.multipart.uploadPart(targetKey, uploadId ?? '', number, body, options)
    return { ...part, ...md5Of(part) }
  } catch (error) {
    await body[Symbol.asyncIterator]().return?.()
    throw error
  }
}

/** What the target computed of a part that it has. */
function md5Of({ etag }: UploadedPart): { md5?: string } {
  const bare = bareEtag(etag)
  return isMd5(bare) ? { md5: bare.toLowerCase() } : {}
}

async function sendInside(
  context: TransferContext,
  { job, note }: PartJob,
  number: number,
  range: Range,
  signal: AbortSignal,
): Promise<SentPart> {
  const { source, targetKey, uploadId } = note.record
  const { multipart } = context.to.adapter
  return await multipart.uploadPartCopy(targetKey, uploadId ?? '', number, context.from.prefix + job.source.key, {
    range,
    sourceIfMatch: source.etag,
    signal,
  })
}
