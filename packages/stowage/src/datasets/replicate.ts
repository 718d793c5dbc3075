import {
  BLOCK_SIZE,
  blocksKey,
  compareKeys,
  type DatasetReplica,
  type DatasetVersion,
  hasCode,
  type Manifest,
  type StorageAdapter,
  StowageError,
  type SyncProgress,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import type { SourceObject, SyncResult } from '@stowage/sync'
import type { Context } from '../app/context.ts'
import { claimRoot } from './managed.ts'
import { readBlocks } from './manifests.ts'
import { readSmall, writeOnce } from './objects.ts'
import { recordVersion } from './publish.ts'

export interface ReplicateOptions {
  version: DatasetVersion
  manifest: Manifest
  from: DatasetReplica
  /** The source that shall hold it. */
  to: string
  policyId?: string
  signal?: AbortSignal
  onProgress?: (progress: SyncProgress) => void
}

/** Objects of one page handed to the sync engine. */
const PAGE = 1000

/**
 * Copies one version of a dataset to another source: the files, checked against the manifest's digests as they pass; then the block digests and
 * the manifest; then the version's record. The replica becomes `ready` only after all of that, so a reader never meets half of it.
 * Stopped at any point it is gone on with by calling it again.
 */
export async function replicate(context: Context, options: ReplicateOptions): Promise<SyncResult> {
  const { version, manifest, from, to, signal } = options
  const path = `${context.sources.datasetRoot(to)}${version.datasetId}/`
  const replica = { datasetId: version.datasetId, version: version.number, sourceId: to }
  const [source, target] = [await context.sources.adapter(from.sourceId), await context.sources.adapter(to)]
  await context.catalog.addReplica({ ...replica, path, size: version.size })
  try {
    await claimRoot(
      target,
      path,
      { catalogId: await context.catalog.catalogId(), datasetId: version.datasetId },
      signal,
    )
    const result = await context.sync.run({
      from: { adapter: source, prefix: from.path },
      to: { adapter: target, prefix: path },
      objects: () => objectsOf(manifest),
      createOnly: true,
      managedCheck: false,
      datasetId: version.datasetId,
      version: version.number,
      ...(options.policyId === undefined ? {} : { policyId: options.policyId }),
      ...(signal === undefined ? {} : { signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    })
    if (result.status === 'success') {
      await copyManifest(manifest, { adapter: source, path: from.path }, { adapter: target, path }, signal)
      await recordVersion(context, version, to, path, signal)
      await context.catalog.setReplicaStatus(replica, 'ready')
    } else if (result.status === 'failed') {
      await context.catalog.setReplicaStatus(replica, 'error', result.errors[0]?.message ?? 'The sync failed.')
    }
    return result
  } catch (error) {
    // A stop and somebody else's work on it are no failure of the replica: it stays `syncing` and is gone on with.
    if (!hasCode(error, 'aborted', 'lease-held', 'lease-lost')) {
      await context.catalog.setReplicaStatus(replica, 'error', toStowageError(error).message)
    }
    throw error
  }
}

/** The version's files in byte order of their keys: draft by draft, since within a draft keys are ordered as paths are. */
async function* objectsOf(manifest: Manifest): AsyncGenerator<SourceObject[]> {
  const drafts = new Set<string>()
  for await (const entry of manifest.entries()) drafts.add(draftOf(entry.key))
  for (const draft of [...drafts].sort(compareKeys)) {
    let page: SourceObject[] = []
    for await (const entry of manifest.entries()) {
      if (draftOf(entry.key) !== draft) continue
      page.push({
        key: entry.key,
        size: entry.size,
        digest: entry.digest,
        ...(entry.contentType === undefined ? {} : { contentType: entry.contentType }),
      })
      if (page.length === PAGE) {
        yield page
        page = []
      }
    }
    yield page
  }
}

function draftOf(key: string): string {
  return key.slice(0, key.indexOf('/') + 1)
}

interface Place {
  adapter: StorageAdapter
  path: string
}

/** Block digests first, then ranges, the manifest's top last: whoever finds the top finds everything below it. */
async function copyManifest(
  manifest: Manifest,
  from: Place,
  to: Place,
  signal: AbortSignal | undefined,
): Promise<void> {
  const call = signal === undefined ? {} : { signal }
  for await (const entry of manifest.entries()) {
    if (entry.size <= BLOCK_SIZE) continue
    throwIfAborted(signal)
    const key = blocksKey(entry.digest)
    const blocks = await readBlocks([{ adapter: async () => from.adapter, path: from.path }], entry)
    if (blocks === undefined) {
      throw new StowageError(
        'integrity',
        `The block digests of "${entry.path}" are missing or damaged on ${from.adapter.id}.`,
        { key },
      )
    }
    await writeOnce(to.adapter, to.path + key, blocks, call)
  }
  for (const key of manifest.objectKeys()) {
    throwIfAborted(signal)
    const bytes = await readSmall(from.adapter, from.path + key, signal)
    await writeOnce(to.adapter, to.path + key, bytes, { contentType: 'application/gzip', ...call })
  }
}
