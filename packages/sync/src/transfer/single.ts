import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  combineBlocks,
  DigestBuilder,
  type FileDigest,
  hasCode,
  type ObjectInfo,
  type PutOptions,
  StowageError,
} from '@stowage/core'
import { backoffMs } from '../flow/index.ts'
import { isMd5 } from '../plan/index.ts'
import { asConflict, lookFirst, putCondition } from './condition.ts'
import { type Job, type Transfer, type TransferContext, type Transferred, wantsDigest } from './context.ts'
import { attributesFor } from './headers.ts'
import {
  asChanged,
  checkAgainstSource,
  checkDigest,
  checksumFor,
  md5Proof,
  needsMd5,
  openPinned,
  proofFor,
  type ReadPin,
  readPinned,
  type Sums,
  sumsOf,
} from './read.ts'

/** Memory that a stream takes while it passes, about, in bytes. */
const streamBytes = 1024 * 1024

function pinOf(job: Job): ReadPin {
  const { key, size, etag } = job.source
  return { key, size, etag: etag.startsWith('sha256:') ? undefined : etag, versionId: undefined }
}

/** Moves an object through memory: one read, one write, every check before the write. */
export async function transferWhole(
  context: TransferContext,
  job: Transfer,
  signal: AbortSignal,
): Promise<Transferred> {
  const { key } = job
  const { size } = job.source
  return await context.units.run(size, signal, async (signal) => {
    const { info, bytes } = await readPinned(context, pinOf(job), undefined, signal)
    const condition = putCondition(context, job)
    const proof = wantsDigest(context, job) ? undefined : proofFor(context, info)
    const sums = proof === undefined ? sumUp(context, job, info, bytes) : {}
    const digest = sums.blocks === undefined ? undefined : combineBlocks(sums.blocks)
    checkDigest(key, job.source.digest, digest)
    const attributes = await attributesFor(context, info, job.source, signal)
    await beforePut(context, job, condition, digest, signal)
    const put = await context.to.adapter
      .put(context.to.prefix + key, bytes, {
        ...attributes,
        ...(proof === undefined ? checksumFor(context, sums.crc32) : { checksum: proof }),
        ...condition,
        size,
        signal,
      })
      .catch((error: unknown) => {
        throw asConflict(context, job, error)
      })
    // Not what failed: somebody may still be sending it.
    context.buffers.give(bytes)
    job.bytes.sent(size)
    return result(job, put.etag, digest, sums.blocks)
  })
}

/** Moves an object that could go in parts through memory: two at a time, since all of it lies there. */
export async function transferLarge(
  context: TransferContext,
  job: Transfer,
  signal: AbortSignal,
): Promise<Transferred> {
  const release = await context.large.acquire(2, signal)
  try {
    return await transferWhole(context, job, signal)
  } finally {
    release()
  }
}

/** What is computed of an object's bytes, held against what the source says of them. */
function sumUp(context: TransferContext, job: Job, info: ObjectInfo, bytes: Uint8Array): Sums {
  const md5 = job.source.digest === undefined && needsMd5(context, info)
  const sums = sumsOf(bytes, 0, { blocks: wantsDigest(context, job), md5 })
  checkAgainstSource(info, sums)
  return sums
}

/** Parts that an object of this size may have and yet go in one piece: an upload of two is four requests, and as many notes. */
const passingParts = 2

/** Whether an object of this size may go in one piece. */
function isOnePiece({ partSize, to }: TransferContext, size: number): boolean {
  return size <= Math.min(passingParts * partSize, to.adapter.capabilities.maxPutSize)
}

/**
 * Whether an object that could go in parts goes through memory whole. What its source tells of parts would be no evidence for the whole; bytes
 * that are held back go in parts, so that little is lost.
 */
export function canGoWhole(context: TransferContext, { source }: Job): boolean {
  if (context.from.adapter.capabilities.etagIsMd5 || context.bandwidth !== undefined) return false
  return isOnePiece(context, source.size)
}

/** Whether an object can pass from one store to the other as it comes, and the target can tell whether its bytes are right. */
export function canPass(context: TransferContext, job: Job): boolean {
  const { from, to } = context
  const { size, etag } = job.source
  if (wantsDigest(context, job) || !isOnePiece(context, size)) return false
  return from.adapter.capabilities.etagIsMd5 && isMd5(etag) && to.adapter.capabilities.checksums.includes('md5')
}

/** Moves an object as a stream: the target holds it against what the source says of it, and keeps nothing that is wrong. */
export async function transferPassing(
  context: TransferContext,
  job: Transfer,
  signal: AbortSignal,
): Promise<Transferred> {
  for (let tries = 1; ; tries++) {
    try {
      return await passOnce(context, job, signal)
    } catch (error) {
      // Bytes in memory would be sent again by the adapter.
      if (!hasCode(error, 'throttled') || tries === passingTries) throw error
      const { clock, random } = context
      await clock.sleep(backoffMs(tries, { baseMs: 200, maxMs: 5_000 }, random, error.retryAfterMs), signal)
    }
  }
}

/** Requests of an object that passes, when the store wants to be asked less. */
const passingTries = 3

async function passOnce(context: TransferContext, job: Transfer, signal: AbortSignal): Promise<Transferred> {
  const { key } = job
  const { size } = job.source
  return await context.units.pass(size, signal, async (signal) => {
    const piece = job.bytes.piece()
    const { info, body } = await openPinned(context, pinOf(job), undefined, signal, piece.pass)
    try {
      const condition = putCondition(context, job)
      // Cheaper than the CRC-32 that the source may know besides, which would be computed here.
      const checksum = context.etagsMislead ? proofFor(context, info) : md5Proof(context, info)
      const attributes = await attributesFor(context, info, job.source, signal)
      await beforePut(context, job, condition, undefined, signal)
      const put = await context.to.adapter.put(context.to.prefix + key, body, {
        ...attributes,
        ...condition,
        ...(checksum === undefined ? {} : { checksum }),
        size,
        signal,
      })
      piece.arrive(size)
      return result(job, put.etag)
    } catch (error) {
      piece.fail()
      await body[Symbol.asyncIterator]().return?.()
      // An etag that looks like an MD5 and is none, as where a key of the store's own encrypts.
      if (hasCode(error, 'integrity') && proofFor(context, info)?.algorithm === 'crc32') context.etagsMislead = true
      throw asConflict(context, job, error)
    }
  })
}

/** Moves an object as a stream, for targets that take it only in one piece. */
export async function transferStream(
  context: TransferContext,
  job: Transfer,
  signal: AbortSignal,
): Promise<Transferred> {
  const { key } = job
  const { size } = job.source
  return await context.units.run(Math.min(size, streamBytes), signal, async (signal) => {
    const condition = putCondition(context, job)
    await beforePut(context, job, condition, undefined, signal)
    const piece = job.bytes.piece()
    const { info, body } = await openPinned(context, pinOf(job), undefined, signal, piece.pass)
    const attributes = await attributesFor(context, info, job.source, signal).catch(async (error: unknown) => {
      piece.fail()
      await body[Symbol.asyncIterator]().return?.()
      throw error
    })
    const digest = wantsDigest(context, job) ? new DigestBuilder() : undefined
    let passed = 0
    const md5 = needsMd5(context, info) ? createHash('md5') : undefined
    let crc = 0
    let finished: FileDigest | undefined
    const passing = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        passed += chunk.length
        digest?.update(chunk)
        md5?.update(chunk)
        crc = crc32(chunk, crc)
        if (passed > size) throw new StowageError('integrity', `"${key}" is longer than its listing said.`, { key })
        if (passed === size) {
          // Checked before the last bytes go out: a target that gets too few keeps nothing.
          finished = digest?.finish()
          checkDigest(key, job.source.digest, finished?.digest)
          checkAgainstSource(info, { crc32: crc, ...(md5 === undefined ? {} : { md5: md5.digest('hex') }) })
        }
        yield chunk
      }
    }
    const put = await context.to.adapter
      .put(context.to.prefix + key, passing(), {
        ...attributes,
        ...condition,
        size,
        signal,
      })
      .catch((error: unknown) => {
        piece.fail()
        throw asConflict(context, job, error)
      })
    piece.arrive(size)
    return result(job, put.etag, finished?.digest, finished?.blocks)
  })
}

/** A copy inside the store: the bytes do not come by. */
export async function transferInside(
  context: TransferContext,
  job: Transfer,
  signal: AbortSignal,
): Promise<Transferred> {
  const { key, size, etag } = job.source
  return await context.units.run(0, signal, async (signal) => {
    const copied = await context.to.adapter
      .copy(context.from.prefix + key, context.to.prefix + job.key, { sourceIfMatch: etag, signal })
      .catch((error: unknown) => {
        throw asChanged(job.key, error)
      })
    job.bytes.copied(size)
    return result(job, copied.etag)
  })
}

function result(job: Job, etag: string, digest?: string, blocks?: Uint8Array): Transferred {
  const { size } = job.source
  return {
    source: { etag: job.source.etag, size },
    target: { etag, size },
    ...(digest === undefined ? {} : { digest }),
    ...(blocks === undefined ? {} : { blocks }),
  }
}

/** What must have happened before the object may appear in the target. */
async function beforePut(
  context: TransferContext,
  job: Job,
  condition: Pick<PutOptions, 'ifMatch' | 'ifNoneMatch'>,
  digest: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { etag, size } = job.source
  await job.announce?.({ source: { etag, size }, digest })
  if (context.pinTarget && Object.keys(condition).length === 0) await lookFirst(context, job, signal)
}
