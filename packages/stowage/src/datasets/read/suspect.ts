import {
  blocksKey,
  type DatasetReplica,
  type DatasetVersion,
  type ErrorCode,
  type ManifestEntry,
  type StowageError,
} from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { JsonRecords } from '../../records/index.ts'
import { report } from '../../scrub/places/index.ts'

/** What says that the object is wrong and not its source: `precondition-failed`, that it was replaced while it was read. */
const badObject = new Set<ErrorCode>(['integrity', 'not-found', 'precondition-failed'])

/** Told of a place that failed to give an object. */
export type OnBad = (sourceId: string, error: Pick<StowageError, 'code'>, key: string) => void

/** What is reported of an object, besides where it lies. */
type What = Parameters<typeof report>[1]

/** Whether a failure is likely the object's. MinIO, for one, answers as if it were overloaded when it finds that a file is rotten. */
function pointsAtObject({ sources }: Context, sourceId: string, code: ErrorCode): boolean {
  if (badObject.has(code)) return true
  return code === 'unavailable' && sources.health()[sourceId]?.healthy === true
}

/** Has the scrub look at an object that was found bad, as soon as it runs. The read goes on in any case. */
function suspect(
  context: Context,
  replicas: readonly DatasetReplica[],
  sourceId: string,
  code: ErrorCode,
  what: Pick<What, 'what' | 'key' | 'name' | 'entry'>,
): void {
  if (!pointsAtObject(context, sourceId, code)) return
  const replica = replicas.find((one) => one.sourceId === sourceId)
  if (replica === undefined) return
  const { datasetId, version, path } = replica
  report(new JsonRecords(context.records), { datasetId, sourceId, path, version, ...what }).catch(() => undefined)
}

/** Reports a file of a replica. */
export function suspectFile(context: Context, replicas: readonly DatasetReplica[], entry: ManifestEntry): OnBad {
  const what = { what: 'file', key: entry.key, name: `"${entry.path}"`, entry } as const
  return (sourceId, { code }) => suspect(context, replicas, sourceId, code, what)
}

/** Reports the list of a file's block digests. */
export function suspectBlocks(context: Context, replicas: readonly DatasetReplica[], entry: ManifestEntry): OnBad {
  const name = `the block digests of "${entry.path}"`
  const what = { what: 'blocks', key: blocksKey(entry.digest), name, entry } as const
  return (sourceId, { code }) => suspect(context, replicas, sourceId, code, what)
}

/** Reports an object of a version's manifest. */
export function suspectManifest(
  context: Context,
  { number }: Pick<DatasetVersion, 'number'>,
  replicas: readonly DatasetReplica[],
): OnBad {
  const what = { what: 'manifest', name: `the manifest of version ${number}`, entry: null } as const
  return (sourceId, { code }, key) => suspect(context, replicas, sourceId, code, { ...what, key })
}
