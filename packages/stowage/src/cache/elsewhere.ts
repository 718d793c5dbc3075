import { type DatasetReplica, hasCode, type Removal, rootKey, signKey } from '@stowage/core'
import type { Context } from '../app/context.ts'
import { readSmallIfThere } from '../datasets/objects.ts'
import { lookAtPlace } from '../scrub/inspect/index.ts'
import { placesIn } from '../scrub/places/index.ts'
import { readable } from './evict.ts'

/**
 * Looks at the other copies of a replica that is about to go, in their stores: the catalog only says that they were there once.
 * Two sources may be one bucket by two names, where the copy elsewhere would go with this one: what is written here for a moment is seen there.
 * @returns sources that hold a copy of its version: they can be read, the marker and the manifest are there, and it is another place
 */
export async function copiesElsewhere(context: Context, removal: Removal, signal: AbortSignal): Promise<string[]> {
  const { catalog, sources, random, clock } = context
  const { datasetId, version, sourceId, path } = removal
  const usable = new Set(readable(context))
  const others = (await catalog.listReplicas(datasetId, version)).filter(
    (one) => one.status === 'ready' && one.sourceId !== sourceId && usable.has(one.sourceId),
  )
  const found = await catalog.getVersion(datasetId, version)
  if (others.length === 0 || found === undefined) return []
  const here = await sources.adapter(sourceId)
  const key = signKey(version)
  const sign = { key, text: JSON.stringify({ removal: random.id(clock.now()) }) }
  await here.put(path + key, Buffer.from(sign.text), { contentType: 'application/json', signal })
  try {
    const there: string[] = []
    for (const other of others) {
      if (await isThere(context, other, rootKey(found.manifest), sign, signal)) there.push(other.sourceId)
    }
    return there
  } finally {
    await here.delete(path + key, { signal })
  }
}

async function isThere(
  context: Context,
  replica: DatasetReplica,
  manifest: string,
  sign: { key: string; text: string },
  signal: AbortSignal,
): Promise<boolean> {
  const [place] = placesIn([replica])
  if (place === undefined || (await lookAtPlace(context, place, signal)).state !== 'there') return false
  try {
    const adapter = await context.sources.adapter(replica.sourceId)
    await adapter.head(replica.path + manifest, { signal })
    const found = await readSmallIfThere(adapter, replica.path + sign.key, signal)
    return found === undefined || Buffer.from(found).toString() !== sign.text
  } catch (error) {
    if (hasCode(error, 'aborted')) throw error
    // One that cannot be read is none, whatever the reason.
    return false
  }
}
