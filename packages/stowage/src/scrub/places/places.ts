import type { DatasetReplica, DatasetStore, DatasetVersion } from '@stowage/core'
import type { Context } from '../../app/context.ts'

/** All that one source holds of one dataset under one path: what is read together, so that files of several versions are read once. */
export interface ScrubPlace {
  datasetId: string
  sourceId: string
  /** Ending in `/`. */
  path: string
  /** The ready replicas, by version, oldest version first. */
  replicas: DatasetReplica[]
}

/** The places of one dataset that hold ready replicas. */
export function placesIn(replicas: readonly DatasetReplica[]): ScrubPlace[] {
  const places = new Map<string, ScrubPlace>()
  for (const replica of replicas) {
    if (replica.status !== 'ready') continue
    const { datasetId, sourceId, path } = replica
    const name = `${sourceId}\0${path}`
    const place = places.get(name) ?? { datasetId, sourceId, path, replicas: [] }
    place.replicas.push(replica)
    places.set(name, place)
  }
  for (const place of places.values()) place.replicas.sort((a, b) => a.version - b.version)
  return [...places.values()]
}

/** Every place of the catalog. */
export async function* allPlaces(catalog: DatasetStore): AsyncGenerator<ScrubPlace> {
  const limit = 1000
  for (let after: string | undefined; ; ) {
    const page = await catalog.listDatasets({ limit, ...(after === undefined ? {} : { after }) })
    for (const { id } of page) yield* placesIn(await catalog.listReplicas(id))
    after = page.at(-1)?.id
    if (page.length < limit) return
  }
}

/** The versions that lie at a place, oldest first. */
export async function versionsAt(catalog: DatasetStore, place: ScrubPlace): Promise<DatasetVersion[]> {
  const held = new Set(place.replicas.map(({ version }) => version))
  const versions = await catalog.listVersions(place.datasetId)
  return versions.filter(({ number }) => held.has(number)).reverse()
}

/** Whether the version of an object is ready at its place still: replicas leave while others are read. */
export async function isHeldAt(
  { catalog }: Pick<Context, 'catalog'>,
  {
    place,
    version,
  }: { place: Pick<ScrubPlace, 'datasetId' | 'sourceId' | 'path'>; version: Pick<DatasetVersion, 'number'> },
): Promise<boolean> {
  const replicas = await catalog.listReplicas(place.datasetId, version.number)
  return replicas.some((one) => one.sourceId === place.sourceId && one.path === place.path && one.status === 'ready')
}

/** Since when the bytes of a place are known to be right, when they were never scrubbed: each was verified as it was written. */
export function writtenAt(place: ScrubPlace): number {
  return Math.min(...place.replicas.map(({ lastSyncAt, createdAt }) => lastSyncAt ?? createdAt))
}

/** Bytes of a place, as far as is known without looking at its files: at least those of its largest version. */
export function sizeOf(place: ScrubPlace): number {
  return Math.max(...place.replicas.map(({ size }) => size))
}
