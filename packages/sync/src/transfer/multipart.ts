import { BLOCK_SIZE, type MultipartCapabilities, type ObjectInfo, StowageError } from '@stowage/core'
import { sameEtag } from '../plan/index.ts'
import type { UploadNote, UploadOutcome } from '../state/index.ts'
import type { Job, Transfer, TransferContext, Transferred } from './context.ts'
import { alignedPartSize } from './evidence.ts'
import { finish } from './finish.ts'
import { attributesFor } from './headers.ts'
import { blocksOf } from './noted-parts.ts'
import { partSizeFor } from './part-size.ts'
import { type PartSource, partJob, sendParts } from './parts.ts'
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
  try {
    const { adapter, prefix } = context.from
    const info = await adapter.head(prefix + job.source.key, { signal })
    const other = !isManifestTag(job.source.etag) && !sameEtag(info.etag, job.source.etag)
    if (other || info.size !== job.source.size) throw changed(job.key)
    const found = await resume(context, job, info, signal)
    if (found !== undefined && 'etag' in found) return outcome(job, found, await context.uploads.find(job.key))
    const note = found ?? (await begin(context, job, info, how, signal))
    const parts = partJob(context, job, note, how, info)
    await sendParts(context, parts, signal)
    return outcome(job, await finish(context, parts, signal), note)
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
    partSize: partSizeFor(info.size, wantedPartSize(context, job, info, how, limits), limits),
    nonce: context.random.id(context.clock.now()),
    uploadId: null,
    outcome: null,
  })
  const { uploadId } = await to.adapter.multipart.create(to.prefix + job.key, { ...attributes, signal })
  await note.save({ uploadId })
  return note
}

function wantedPartSize(
  context: TransferContext,
  job: Job,
  info: ObjectInfo,
  how: PartSource,
  limits: MultipartCapabilities,
): number {
  const { partSize } = context
  if (how === 'inside') return Math.max(partSize, insidePartSize)
  // A digest is put together from those of whole blocks; without one, parts like the source's own can be held against its checksums.
  if (context.digests || job.source.digest !== undefined) return Math.max(partSize, BLOCK_SIZE)
  return alignedPartSize(info, context.from.adapter.capabilities.etagIsMd5, partSize, limits) ?? partSize
}
