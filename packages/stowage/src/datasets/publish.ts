import {
  checkManifestObject,
  compareKeys,
  type DatasetStore,
  type DatasetVersion,
  type Draft,
  type DraftFile,
  hasCode,
  type Manifest,
  type ManifestEntry,
  type StorageAdapter,
  StowageError,
  throwIfAborted,
  writeManifest,
} from '@stowage/core'
import pLimit from 'p-limit'
import type { Context } from '../app/context.ts'
import { claimRoot, writeVersionRecord } from './managed.ts'
import { writeNamed } from './objects.ts'
import { PathGuard } from './path-guard.ts'
import { finishAccepted, pinnedEtag, scopeOf } from './signed/index.ts'

const PAGE = 1000

/** Objects that are looked at together. */
const HEADS = 16

/**
 * Makes a draft the next version of its dataset: writes the manifest beside the data, then the catalog in one transaction, then the version's
 * record. A crash before the catalog's transaction publishes nothing; after it the version stands, and a record that could not be written is
 * written by whoever handles the publication.
 *
 * @param base the manifest of the version it follows, whose files stay unless the draft brings others of the same path
 * @throws StowageError `conflict` when another version came first or an upload by URL was not accepted, `invalid-request` when there is no file,
 * `integrity` when a file that came by URL is not the one any more that was accepted
 */
export async function publishDraft(
  context: Context,
  draft: Draft,
  options: { message: string; base: Manifest | undefined; signal?: AbortSignal },
): Promise<DatasetVersion> {
  await finishAccepted(scopeOf(context, draft))
  if ((await context.catalog.listDraftFiles(draft.id, { limit: 1 })).length === 0) {
    throw new StowageError('invalid-request', 'A version needs at least one file.', {
      hint: 'Upload files to the draft first.',
    })
  }
  const adapter = await context.sources.adapter(draft.sourceId)
  const call = options.signal === undefined ? {} : { signal: options.signal }
  await claimRoot(
    adapter,
    draft.path,
    { catalogId: await context.catalog.catalogId(), datasetId: draft.datasetId },
    options.signal,
  )
  const merged = merge(options.base?.entries(), draftEntries(context.catalog, draft, adapter, options.signal))
  const parts = new Map<string, number>()
  const manifest = await writeManifest(counted(checked(merged, options.signal), parts), (key, bytes, contentType) =>
    writeNamed(adapter, draft.path + key, bytes, {
      contentType,
      ...call,
      check: (there) => checkManifestObject(key, there),
    }),
  )
  throwIfAborted(options.signal)
  const version = await context.catalog.publish({
    draftId: draft.id,
    manifest: manifest.digest,
    size: manifest.root.size,
    fileCount: manifest.root.fileCount,
    message: options.message,
    parts: [...parts].map(([draft, size]) => ({ draft, size })),
  })
  await recordVersion(context, version, draft.sourceId, draft.path, options.signal).catch(() => undefined)
  context.events.emit('dataset.published', {
    datasetId: draft.datasetId,
    version: version.number,
    sourceId: draft.sourceId,
  })
  return version
}

/** Writes a version's record on one source. Safe to repeat. */
export async function recordVersion(
  context: Context,
  version: DatasetVersion,
  sourceId: string,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const dataset = await context.catalog.getDataset(version.datasetId)
  await writeVersionRecord(
    await context.sources.adapter(sourceId),
    path,
    { ...version, name: dataset?.name ?? version.datasetId },
    signal,
  )
}

async function* draftEntries(
  catalog: DatasetStore,
  draft: Draft,
  adapter: StorageAdapter,
  signal: AbortSignal | undefined,
): AsyncGenerator<ManifestEntry> {
  for (let after: string | undefined; ; ) {
    const page: DraftFile[] = await catalog.listDraftFiles(draft.id, {
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    await checkPinned(adapter, draft.path, page, signal)
    for (const { path, key, size, digest, contentType } of page) {
      yield { path, key, size, digest, ...(contentType === undefined ? {} : { contentType }) }
    }
    after = page.at(-1)?.path
    if (page.length < PAGE) return
  }
}

/**
 * Looks whether the objects that came by URL are still those whose bytes were read.
 * @throws StowageError `integrity` when one is not
 */
async function checkPinned(
  adapter: StorageAdapter,
  root: string,
  files: readonly DraftFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const limit = pLimit(HEADS)
  const check = async (file: DraftFile): Promise<void> => {
    const etag = pinnedEtag(file)
    if (etag === undefined || (await etagOf(adapter, root + file.key, signal)) === etag) return
    throw new StowageError('integrity', `"${file.path}" was changed or deleted after it was accepted.`, {
      key: file.path,
      retryable: false,
      hint: 'Begin a new draft, and look who else may write to this source.',
    })
  }
  await Promise.all(files.map((file) => limit(check, file)))
}

async function etagOf(
  adapter: StorageAdapter,
  key: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    return (await adapter.head(key, signal === undefined ? {} : { signal })).etag
  } catch (error) {
    if (hasCode(error, 'not-found')) return undefined
    throw error
  }
}

/** Adds up on the way what each draft brought. */
async function* counted(
  entries: AsyncGenerator<ManifestEntry>,
  parts: Map<string, number>,
): AsyncGenerator<ManifestEntry> {
  for await (const entry of entries) {
    // Keys of later attempts of uploads by URL have a dot and a number behind the draft's id.
    const draft = entry.key.slice(0, entry.key.indexOf('/')).split('.', 1)[0] ?? ''
    parts.set(draft, (parts.get(draft) ?? 0) + entry.size)
    yield entry
  }
}

/** Both streams in order; where both have a path the second wins. A file of the second that is equal in content keeps the first's place. */
async function* merge(
  first: AsyncGenerator<ManifestEntry> | undefined,
  second: AsyncGenerator<ManifestEntry>,
): AsyncGenerator<ManifestEntry> {
  if (first === undefined) {
    yield* second
    return
  }
  let [a, b] = [await first.next(), await second.next()]
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : compareKeys(a.value.path, b.value.path)
    if (order < 0) {
      yield a.value
      a = await first.next()
    } else if (order > 0) {
      yield b.value
      b = await second.next()
    } else {
      const same = a.value.digest === b.value.digest && a.value.size === b.value.size
      yield same ? { ...b.value, key: a.value.key } : b.value
      ;[a, b] = [await first.next(), await second.next()]
    }
  }
}

/** Refuses a version in which a file is also a folder, which the uploads of several drafts can bring about. */
async function* checked(
  entries: AsyncGenerator<ManifestEntry>,
  signal: AbortSignal | undefined,
): AsyncGenerator<ManifestEntry> {
  const guard = new PathGuard()
  for await (const entry of entries) {
    throwIfAborted(signal)
    const problem = guard.problem(entry.path)
    if (problem !== undefined) {
      throw new StowageError('invalid-key', `The path "${entry.path}" ${problem}.`, {
        key: entry.path,
        hint: 'Rename one of the two and upload it again.',
      })
    }
    yield entry
  }
}
