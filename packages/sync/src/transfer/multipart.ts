import { BLOCK_SIZE, type MultipartCapabilities, type ObjectInfo, StowageError } from '@stowage/core'
import { sameEtag } from '../plan/index.ts'
import type { UploadNote, UploadOutcome } from '../state/index.ts'
import { type Job, type Transfer, type TransferContext, type Transferred, wantsDigest } from './context.ts'
import { alignedPartSize } from './evidence.ts'
import { finish } from './finish.ts'
import { type FirstRead, openFirst } from './first-read.ts'
import { attributesFor } from './headers.ts'
import { blocksOf } from './noted-parts.ts'
import { type PartSource, partJob } from './part-job.ts'
import { partSizeFor } from './part-size.ts'
import { sendParts } from './parts.ts'
import { changed } from './read.ts'
import { resume } from './resume.ts'

/** The least size of a part that a store copies by itself, in bytes: no bytes pass here, so large ones cost nothing to do again. */
const insidePartSize = 512 * 1024 * 1024

/**
 * Moves a large object in parts. What is done is written down part by part, so that whoever goes on sends only parts that were in
 * flight. The source is pinned: parts of two versions never meet in one object.
 */
export async function transferParts(
  context: TransferContext,
  job: Transfer,
  how: PartSource,
  signal: AbortSignal,
): Promise<Transferred> {
  const release = await context.large.acquire(1, signal)
  let first: FirstRead | undefined
  try {
    // What an earlier run left decides which parts are read.
    const isFresh = how === 'through' && !context.uploads.has(job.key)
    first = isFresh ? await openFirst(context, job, signal) : undefined
    const info = first?.info ?? (await lookAt(context, job, signal))
    const found = await resume(context, job, info, how, signal)
    if (found !== undefined && 'etag' in found) return outcome(job, found, await context.uploads.find(job.key))
    const note = found ?? (await begin(context, job, info, how, signal))
    const parts = partJob(context, job, note, how, info)
    await sendParts(context, parts, first, signal)
    return outcome(job, await finish(context, parts, signal), note)
  } finally {
    first?.body.destroy()
    release()
  }
}

/** @throws StowageError `source-changed` when the object is not the one that was listed */
async function lookAt({ from }: TransferContext, { key, source }: Job, signal: AbortSignal): Promise<ObjectInfo> {
  const info = await from.adapter.head(from.prefix + source.key, { signal })
  const other = !isManifestTag(source.etag) && !sameEtag(info.etag, source.etag)
  if (other || info.size !== source.size) throw changed(key)
  return info
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
  const attributes = await attributesFor(context, info, job.source, signal)
  const note = await context.uploads.begin({
    key: job.key,
    targetKey: to.prefix + job.key,
    source: {
      etag: info.etag,
      size: info.size,
      ...(info.versionId === undefined ? {} : { versionId: info.versionId }),
    },
    partSize: partSizeOf(context, job, info, how, limits),
    nonce: context.random.id(context.clock.now()),
    uploadId: null,
    outcome: null,
  })
  const { uploadId } = await to.adapter.multipart.create(to.prefix + job.key, { ...attributes, signal })
  await note.save({ uploadId })
  return note
}

function partSizeOf(
  context: TransferContext,
  job: Job,
  info: ObjectInfo,
  how: PartSource,
  limits: MultipartCapabilities,
): number {
  const { partSize, from } = context
  if (how === 'inside') return partSizeFor(info.size, Math.max(partSize, insidePartSize), limits)
  // A digest is put together from those of whole blocks; without one, parts like the source's own can be held against its checksums.
  if (wantsDigest(context, job)) return partSizeFor(info.size, Math.max(partSize, BLOCK_SIZE), limits)
  const aligned = alignedPartSize(info, from.adapter.capabilities.etagIsMd5, partSize, limits)
  return aligned ?? partSizeFor(info.size, partSize, limits)
}
