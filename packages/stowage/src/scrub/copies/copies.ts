import { type DatasetReplica, type DatasetVersion, type Manifest, rootKey } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import type { Manifests } from '../../datasets/manifests.ts'
import { type Place, placesOf } from '../../datasets/places.ts'
import type { ScrubPlace } from '../places/index.ts'

const rank: Record<DatasetReplica['status'], number> = { ready: 0, syncing: 2, error: 3, deleting: 4 }

/**
 * Where else an object of a version may lie, those first that are most likely right: ready and not known to be damaged; then damaged ones, since
 * their other blocks may be good; then whatever else may still have it, places of other versions last.
 * @param key relative to the path of a replica
 */
export async function copiesOf(
  context: Context,
  own: ScrubPlace,
  key: string,
  version: number,
): Promise<{ others: Place[]; own: Place }> {
  const replicas = await context.catalog.listReplicas(own.datasetId)
  const damage = await context.catalog.listDamage({ datasetId: own.datasetId })
  const damaged = new Set(damage.map((one) => `${one.sourceId}\0${one.key}`))
  const best = new Map<string, { replica: DatasetReplica; rank: number }>()
  for (const replica of replicas) {
    if (replica.sourceId === own.sourceId && replica.path === own.path) continue
    const isDamaged = replica.status === 'ready' && damaged.has(`${replica.sourceId}\0${replica.path}${key}`)
    const elsewhere = replica.version === version ? 0 : 10
    const value = { replica, rank: elsewhere + (isDamaged ? 1 : rank[replica.status]) }
    const name = `${replica.sourceId}\0${replica.path}`
    const there = best.get(name)
    if (there === undefined || value.rank < there.rank) best.set(name, value)
  }
  const others = [...best.values()].sort((a, b) => a.rank - b.rank).map(({ replica }) => replica)
  const [self] = placesOf(context.sources, [own])
  return { others: placesOf(context.sources, others), own: self as Place }
}

/** Opens manifests for the scrub of a place: its own copy first, then any other. */
export function manifestsFor(
  context: Context,
  manifests: Manifests,
  place: ScrubPlace,
): (version: DatasetVersion) => Promise<Manifest> {
  return async (version) => {
    const { own, others } = await copiesOf(context, place, rootKey(version.manifest), version.number)
    return manifests.of(version, [own, ...others])
  }
}
