import { throwIfAborted } from '@stowage/core'
import { type Piece, Semaphore } from '../flow/index.ts'
import type { SentPart } from '../state/index.ts'
import type { TransferContext } from './context.ts'
import { joinable } from './evidence.ts'
import type { FirstRead } from './first-read.ts'
import { md5Of, type PartJob, passes, patientPart, toldOf, wrongSize } from './part-job.ts'
import { asChanged, checksumFor, corrupt, openPinned, type ReadPin, readPinned, sumsOf } from './read.ts'
import { sendShared } from './send-shared.ts'

/** Sends the parts that are missing. The first failure ends the others; what has arrived stays noted. */
export async function sendParts(
  context: TransferContext,
  parts: PartJob,
  first: FirstRead | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { note } = parts
  const missing: number[] = []
  for (let number = 1; number <= note.partCount; number++) if (!note.parts.has(number)) missing.push(number)
  // Bytes that are held back come by one request each: several would wait for the slowest of them.
  if (passes(context, parts) && context.bandwidth === undefined) {
    await sendShared(context, parts, { missing, first }, signal)
    return
  }
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
  await patientPart(context, signal, () =>
    context.units.run(how === 'through' ? length : 0, signal, async (signal) => {
      const piece = job.bytes.piece()
      try {
        const part = await send(context, parts, number, { start, length }, signal, piece)
        if (part.size !== length) throw wrongSize(parts, part.size, length)
        await note.addPart(part)
      } catch (error) {
        piece.fail()
        throw error
      }
      if (how === 'through') piece.arrive(length)
      else job.bytes.copied(length)
    }),
  )
}

type Range = { start: number; length: number }

async function sendThrough(
  context: TransferContext,
  parts: PartJob,
  number: number,
  range: Range,
  signal: AbortSignal,
  piece: Piece,
): Promise<SentPart> {
  const { job, note, info, evidence, ordered, blocks } = parts
  const { source, targetKey, uploadId } = note.record
  const pin = { key: job.source.key, size: source.size, etag: source.etag, versionId: source.versionId }
  if (passes(context, parts)) return sendPassing(context, parts, number, pin, range, signal, piece)
  const told = evidence === 'md5-parts' && context.to.adapter.capabilities.etagIsMd5 && !context.partsUntold
  const { bytes } = await readPinned(context, pin, range, signal)
  const md5 = evidence === 'md5-parts' && !told
  const sum = evidence === 'checksum' ? joinable(info)?.algorithm : undefined
  const sums = sumsOf(bytes, range.start, { blocks, md5, ...(sum === undefined ? {} : { sum }) })
  if (ordered?.add(number, bytes, sums.crc32 ?? 0) === false) throw corrupt(job.key)
  const part = await context.to.adapter.multipart.uploadPart(targetKey, uploadId ?? '', number, bytes, {
    ...checksumFor(context, sums.crc32),
    size: range.length,
    onSent: piece.moves,
    signal,
  })
  // Those of an MD5 in order may wait for a part before them.
  if (ordered === undefined) context.buffers.give(bytes)
  return { ...part, ...sums, ...(told ? md5Of(part) : {}) }
}

/** Sends a part as it comes. Its MD5, which the target tells, shows in the end whether the bytes were right. */
async function sendPassing(
  context: TransferContext,
  parts: PartJob,
  number: number,
  pin: ReadPin,
  range: Range,
  signal: AbortSignal,
  piece: Piece,
): Promise<SentPart> {
  const { targetKey, uploadId } = parts.note.record
  const { body } = await openPinned(context, pin, range, signal, piece.pass)
  try {
    const options = { size: range.length, signal }
    const part = await context.to.adapter.multipart.uploadPart(targetKey, uploadId ?? '', number, body, options)
    return { ...part, ...toldOf(context, parts, part) }
  } catch (error) {
    await body[Symbol.asyncIterator]().return?.()
    throw error
  }
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
  const options = { range, sourceIfMatch: source.etag, signal }
  return await multipart
    .uploadPartCopy(targetKey, uploadId ?? '', number, context.from.prefix + job.source.key, options)
    .catch((error: unknown) => {
      throw asChanged(job.key, error)
    })
}
