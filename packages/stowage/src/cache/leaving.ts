import {
  BLOCK_SIZE,
  blocksKey,
  type DatasetReplica,
  type DatasetVersion,
  type Manifest,
  type Removal,
  StowageError,
  versionKey,
} from '@stowage/core'
import type { Context } from '../app/context.ts'
import type { Manifests } from '../datasets/manifests.ts'

/** What goes with a version, and what of its place others need. */
export interface Leaving {
  version: DatasetVersion
  manifest: Manifest
  others: Manifest[]
}

/**
 * Reads the manifests of a version that leaves a place and of all others there, in whatever state: what is copied just now, and what leaves
 * later, needs its files too.
 * @throws StowageError when one cannot be read from anywhere: then it is not known what may go
 */
export async function leavingOf(context: Context, manifests: Manifests, removal: Removal): Promise<Leaving> {
  const { catalog } = context
  const { datasetId, sourceId, path } = removal
  const replicas = await catalog.listReplicas(datasetId)
  const versions = new Map((await catalog.listVersions(datasetId)).map((version) => [version.number, version]))
  const open = async (number: number): Promise<{ version: DatasetVersion; manifest: Manifest }> => {
    const version = versions.get(number)
    if (version === undefined) throw new StowageError('not-found', `Dataset ${datasetId} has no version ${number}.`)
    const of = replicas.filter((replica) => replica.version === number)
    return { version, manifest: await manifests.of(version, of.sort(readyFirst)) }
  }
  const here = replicas.filter((one) => one.sourceId === sourceId && one.path === path)
  const others = new Map<string, Manifest>()
  for (const { version: number } of here) {
    if (number === removal.version) continue
    const { manifest } = await open(number)
    others.set(manifest.digest, manifest)
  }
  return { ...(await open(removal.version)), others: [...others.values()] }
}

function readyFirst(a: DatasetReplica, b: DatasetReplica): number {
  return Number(b.status === 'ready') - Number(a.status === 'ready')
}

/**
 * The keys, relative to the place, that go with a version: files and lists of block digests, then its record, then its manifest. What others
 * there need stays, and so does the marker of the place.
 */
export async function* leavingKeys({ version, manifest, others }: Leaving): AsyncGenerator<string> {
  const isShared = others.some(({ digest }) => digest === manifest.digest)
  if (!isShared) yield* leavingFiles(manifest, others)
  yield versionKey(version.number)
  if (isShared) return
  const needed = new Set(others.flatMap((other) => other.objectKeys()))
  for (const key of manifest.objectKeys()) if (!needed.has(key)) yield key
}

async function* leavingFiles(manifest: Manifest, others: readonly Manifest[]): AsyncGenerator<string> {
  const { moved, large } = await oddities(others)
  for (const range of manifest.root.ranges) {
    // Manifests name their parts by content: who has the same part has the same files.
    if (others.some((other) => other.root.ranges.some(({ digest }) => digest === range.digest))) continue
    for (const entry of await manifest.entriesOf(range)) {
      if (entry.size > BLOCK_SIZE && !large.has(entry.digest)) yield blocksKey(entry.digest)
      if (moved.has(entry.key) || (await isNeeded(entry, others))) continue
      yield entry.key
    }
  }
}

async function isNeeded({ path, key }: { path: string; key: string }, others: readonly Manifest[]): Promise<boolean> {
  // It may be called as the key is there, and otherwise here.
  const names = new Set([path, key.slice(key.indexOf('/') + 1)])
  for (const other of others) for (const name of names) if ((await other.find(name))?.key === key) return true
  return false
}

/** What cannot be found by a path: keys that are called otherwise than their file, and digests of large files. */
async function oddities(others: readonly Manifest[]): Promise<{ moved: Set<string>; large: Set<string> }> {
  const moved = new Set<string>()
  const large = new Set<string>()
  for (const other of others) {
    for await (const { path, key, size, digest } of other.entries()) {
      if (key.slice(key.indexOf('/') + 1) !== path) moved.add(key)
      if (size > BLOCK_SIZE) large.add(digest)
    }
  }
  return { moved, large }
}
