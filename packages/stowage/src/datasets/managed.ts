import {
  MANIFEST_FORMAT,
  MARKER_KEY,
  parseFormatted,
  type RootMarker,
  type StorageAdapter,
  StowageError,
  type VersionRecord,
  versionKey,
} from '@stowage/core'
import { readSmallIfThere, writeOnce } from './objects.ts'

/**
 * Makes a replica path a managed root, or checks that it is ours.
 * @throws StowageError `unsafe` when it belongs to another catalog or dataset
 */
export async function claimRoot(
  adapter: StorageAdapter,
  path: string,
  owner: { catalogId: string; datasetId: string },
  signal?: AbortSignal,
): Promise<void> {
  const key = path + MARKER_KEY
  const marker: RootMarker = { format: MANIFEST_FORMAT, ...owner }
  let found = await readSmallIfThere(adapter, key, signal)
  if (found === undefined) {
    const bytes = Buffer.from(JSON.stringify(marker))
    await writeOnce(adapter, key, bytes, {
      contentType: 'application/json',
      ...(signal === undefined ? {} : { signal }),
    })
    // Read again: where a store has no create-only writes, or another came first, what lies there decides.
    found = await readSmallIfThere(adapter, key, signal)
  }
  const there = parseFormatted<RootMarker>(found ?? Buffer.alloc(0), MANIFEST_FORMAT, `The marker ${adapter.id}:${key}`)
  if (there.catalogId !== owner.catalogId || there.datasetId !== owner.datasetId) {
    throw new StowageError('unsafe', `${adapter.id}:${path} belongs to another catalog or dataset.`, {
      key,
      sourceId: adapter.id,
      hint: 'Choose another datasetRoot for this source, or use the catalog that owns it.',
    })
  }
}

/** Writes a version's record beside its data, from which a catalog can be rebuilt. */
export async function writeVersionRecord(
  adapter: StorageAdapter,
  path: string,
  record: Omit<VersionRecord, 'format'>,
  signal?: AbortSignal,
): Promise<void> {
  const bytes = Buffer.from(JSON.stringify({ format: MANIFEST_FORMAT, ...record } satisfies VersionRecord))
  await writeOnce(adapter, path + versionKey(record.number), bytes, {
    contentType: 'application/json',
    ...(signal === undefined ? {} : { signal }),
  })
}
