import {
  BLOCK_SIZE,
  blocksKey,
  checkManifestObject,
  compareKeys,
  type DatasetReplica,
  type DatasetVersion,
  hasCode,
  type Manifest,
  type ReplicaName,
  type StorageAdapter,
  StowageError,
  type SyncProgress,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import type { SourceObject, SyncResult } from '@stowage/sync'
import type { Context } from '../app/context.ts'
import { admit } from '../cache/admit.ts'
import { blocksFor, checkBlocks } from './blocks.ts'
import { claimRoot } from './managed.ts'
import { readSmall, writeNamed } from './objects.ts'
import { firstOf, type Place } from './places.ts'
import { recordVersion } from './publish.ts'

export interface ReplicateOptions {
  version: DatasetVersion
  manifest: Manifest
  from: DatasetReplica
  /** Where its manifest and block digests can be read, best first. */
  places: readonly Place[]
  /** The source that shall hold it. */
  to: string
  policyId?: string
  /** The task that it is part of. @defaultValue one of its own */
  taskId?: string
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
  const replica = { datasetId: version.datasetId, version: version.number, sourceId: to }
  const [source, target] = [await context.sources.adapter(from.sourceId), await context.sources.adapter(to)]
  // Where it was begun, it is gone on with, whatever the root of new datasets is by now.
  const isNew = !(await context.catalog.listReplicas(version.datasetId, version.number)).some((r) => r.sourceId === to)
  const { path, status: before } = await context.catalog.addReplica({
    ...replica,
    path: `${context.sources.datasetRoot(to)}${version.datasetId}/`,
    size: version.size,
  })
  if (before === 'deleting') throw new StowageError('conflict', `The replica on "${to}" is being deleted.`)
  if (before !== 'ready') await admit(context, replica, isNew)
  if (before === 'error') await context.catalog.setReplicaStatus(replica, 'syncing')
  const set = async (status: 'ready' | 'error', why?: string) => {
    try {
      await context.catalog.setReplicaStatus(replica, status, why)
    } catch (error) {
      if (!hasCode(error, 'not-found')) throw error
      throw await noteLeft(context, { ...replica, path, size: version.size }, error)
    }
  }
  const fail = async (why: string, wrong: boolean) => {
    // A copy that is ready is not worse for a run that could not be made, unless the run found that it holds something else.
    if (before !== 'ready' || wrong) await set('error', why)
  }
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
      ...(options.taskId === undefined ? {} : { taskId: options.taskId }),
      ...(signal === undefined ? {} : { signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    })
    if (result.status === 'success') {
      await copyManifest(context, options, { adapter: target, path })
      await recordVersion(context, version, to, path, signal)
      await set('ready')
    } else if (result.status !== 'paused') {
      const why = result.errors[0]?.message ?? result.error?.message ?? `The sync was ${result.status}.`
      await fail(why, result.objects.conflicts > 0)
    }
    return result
  } catch (error) {
    // A stop and somebody else's work on it are no failure of the replica: it stays `syncing` and is gone on with.
    if (!hasCode(error, 'aborted', 'lease-held', 'lease-lost')) {
      await fail(toStowageError(error).message, false)
    }
    throw error
  }
}

/**
 * Notes what a run left at a replica that others took away in the meantime: so it is counted, and goes with an eviction. How much of it is there
 * is not known, so it is not ready.
 * @returns what to throw
 */
async function noteLeft(
  { catalog }: Context,
  replica: ReplicaName & Pick<DatasetReplica, 'path' | 'size'>,
  cause: unknown,
): Promise<StowageError> {
  const message = `The replica on "${replica.sourceId}" was taken away while it was copied.`
  const { status } = await catalog.addReplica(replica)
  if (status === 'syncing') await catalog.setReplicaStatus(replica, 'error', message)
  return new StowageError('conflict', message, { cause, sourceId: replica.sourceId, retryable: true })
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

/** Block digests first, then ranges, the manifest's top last: whoever finds the top finds everything below it. All of it is checked on the way. */
async function copyManifest(
  { events }: Context,
  { version, manifest, places, signal }: ReplicateOptions,
  to: { adapter: StorageAdapter; path: string },
): Promise<void> {
  const call = signal === undefined ? {} : { signal }
  const { datasetId } = version
  for await (const entry of manifest.entries()) {
    if (entry.size <= BLOCK_SIZE) continue
    throwIfAborted(signal)
    const blocks = await blocksFor(places, entry, { events, datasetId, signal })
    const check = (there: Uint8Array) => checkBlocks(entry, there)
    await writeNamed(to.adapter, to.path + blocksKey(entry.digest), blocks, { ...call, check })
  }
  for (const key of manifest.objectKeys()) {
    throwIfAborted(signal)
    const name = `The manifest of version ${version.number}`
    const bytes = await firstOf(places, { name, key, datasetId, events }, async (place) => {
      const stored = await readSmall(await place.adapter(), place.path + key, signal)
      await checkManifestObject(key, stored)
      return stored
    })
    const check = (there: Uint8Array) => checkManifestObject(key, there)
    await writeNamed(to.adapter, to.path + key, bytes, { contentType: 'application/gzip', ...call, check })
  }
}
