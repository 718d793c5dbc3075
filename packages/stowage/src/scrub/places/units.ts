import {
  BLOCK_SIZE,
  blocksKey,
  compareKeys,
  type DatasetVersion,
  MARKER_KEY,
  type Manifest,
  type ManifestEntry,
  versionKey,
} from '@stowage/core'
import type { ScrubPlace } from './places.ts'
import type { Cursor } from './state.ts'

/** One object of a place, and what it should be. */
export type Unit = {
  place: ScrubPlace
  /** The first version at the place that has it. */
  version: DatasetVersion
  /** Relative to the place's path. */
  key: string
  /** What it is called for people. */
  name: string
  /** Where the pass is when this one is done; absent when it only is with the next one. */
  cursor?: Cursor
} & ({ what: 'marker' | 'record' | 'manifest' } | { what: 'blocks' | 'file'; entry: ManifestEntry })

/** A manifest cannot be read from anywhere: what it lists cannot be looked at. */
export type Unlisted = { unlisted: DatasetVersion; error: unknown }

/** Bytes that a look at it reads, as far as is known before. */
export function bytesOf(unit: Unit): number {
  if (unit.what === 'file') return unit.entry.size
  return unit.what === 'blocks' ? Math.ceil(unit.entry.size / BLOCK_SIZE) * 32 : 4096
}

/**
 * Every object of a place, each once, from where an earlier look ended: for each version, oldest first, the objects of its manifest and
 * then its files in order of their paths. What the version before has as well is left out, in memory of two ranges.
 * @param open the manifest of a version
 */
export async function* unitsOf(
  place: ScrubPlace,
  versions: readonly DatasetVersion[],
  open: (version: DatasetVersion) => Promise<Manifest>,
  from: Cursor | null,
): AsyncGenerator<Unit | Unlisted> {
  const seen = new Set<string>()
  let before: Manifest | undefined
  for (const [i, version] of versions.entries()) {
    const again = seen.has(version.manifest)
    seen.add(version.manifest)
    const done = from !== null && version.number < from.version
    // Of versions that are done only the last is needed, to tell what the next one shares with it.
    if (done && (again || (versions[i + 1]?.number ?? 0) < from.version)) continue
    const at = from?.version === version.number ? from : null
    const number = version.number
    if (!done && at?.after == null) {
      if (i === 0) yield { place, version, what: 'marker', key: MARKER_KEY, name: 'the marker of the replica' }
      const name = `the record of version ${number}`
      const cursor = again ? { version: number, after: '', block: 0, bad: [] } : undefined
      yield { place, version, what: 'record', key: versionKey(number), name, ...(cursor ? { cursor } : {}) }
    }
    if (again) continue
    let manifest: Manifest
    try {
      manifest = await open(version)
    } catch (error) {
      if (!done) yield { unlisted: version, error }
      continue
    }
    if (!done) {
      if (at?.after == null) yield* objectsOf(place, version, manifest, before)
      yield* filesOf(place, version, manifest, before, at?.after ?? '')
    }
    before = manifest
  }
}

function* objectsOf(
  place: ScrubPlace,
  version: DatasetVersion,
  manifest: Manifest,
  before: Manifest | undefined,
): Generator<Unit> {
  const shared = new Set(before?.objectKeys())
  const keys = manifest.objectKeys().filter((key) => !shared.has(key))
  for (const [i, key] of keys.entries()) {
    const cursor = i === keys.length - 1 ? { cursor: { version: version.number, after: '', block: 0, bad: [] } } : {}
    yield { place, version, what: 'manifest', key, name: `the manifest of version ${version.number}`, ...cursor }
  }
}

async function* filesOf(
  place: ScrubPlace,
  version: DatasetVersion,
  manifest: Manifest,
  before: Manifest | undefined,
  after: string,
): AsyncGenerator<Unit | Unlisted> {
  const shared = new Set(before?.root.ranges.map(({ digest }) => digest))
  for (const range of manifest.root.ranges) {
    if (shared.has(range.digest) || compareKeys(range.last, after) <= 0) continue
    let entries: ManifestEntry[]
    try {
      entries = await manifest.entriesOf(range)
    } catch (error) {
      yield { unlisted: version, error }
      continue
    }
    for (const entry of entries) {
      if (after !== '' && compareKeys(entry.path, after) <= 0) continue
      if ((await before?.find(entry.path))?.key === entry.key) continue
      yield* unitsOfFile(place, version, entry)
    }
  }
}

/** What a file consists of: of more than one block, the list of their digests too. */
function* unitsOfFile(place: ScrubPlace, version: DatasetVersion, entry: ManifestEntry): Generator<Unit> {
  if (entry.size > BLOCK_SIZE) {
    const name = `the block digests of "${entry.path}"`
    yield { place, version, what: 'blocks', key: blocksKey(entry.digest), name, entry }
  }
  const cursor = { version: version.number, after: entry.path, block: 0, bad: [] }
  yield { place, version, what: 'file', key: entry.key, name: `"${entry.path}"`, entry, cursor }
}
