import type { Draft, DraftFile } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { keepBlocks } from '../blocks.ts'
import { putStream } from '../put-stream.ts'
import { refuseTaken, StreamNote, scopeOf } from '../signed/index.ts'
import type { Replay } from './replay.ts'

export interface UploadStreamOptions {
  contentType?: string
  signal?: AbortSignal
}

/** Uploads one file into a draft. @param options `onPart`: told of each part that the store has */
export async function sendFile(
  context: Context,
  draft: Draft,
  path: string,
  replay: Replay,
  options: UploadStreamOptions & { onPart: () => void },
): Promise<DraftFile> {
  const scope = scopeOf(context, draft)
  await refuseTaken(scope, [path])
  await context.caches.assertRoom(draft.sourceId, replay.length)
  const adapter = await context.sources.adapter(draft.sourceId)
  const key = `${draft.id}/${path}`
  const note = new StreamNote(scope, key)
  const digest = await putStream(adapter, draft.path + key, replay.open(), { ...options, note })
  await keepBlocks(adapter, draft.path, digest, options.signal)
  const file: DraftFile = {
    path,
    key,
    size: digest.size,
    digest: digest.digest,
    ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
  }
  await refuseTaken(scope, [path])
  await context.catalog.putDraftFiles(draft.id, [file])
  return file
}
