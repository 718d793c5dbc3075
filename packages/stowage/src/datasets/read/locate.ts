import {
  type Actor,
  type DatasetReplica,
  type DatasetVersion,
  type Manifest,
  type ManifestEntry,
  StowageError,
  throwIfAborted,
} from '@stowage/core'
import type { Decision, RouteRequest } from '@stowage/router'
import type { Context } from '../../app/context.ts'
import type { Manifests } from '../manifests.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { checkOpenOptions, type OpenOptions } from './open-options.ts'
import { patienceOf } from './patience.ts'
import { Setbacks } from './setbacks.ts'
import { suspectManifest } from './suspect.ts'

/** What a read needs to know of a version. */
export interface VersionPlace {
  version: DatasetVersion
  /** Ready replicas in the order routing gave. */
  replicas: DatasetReplica[]
  decision: Decision
  manifest: Manifest
  /** Objects that are known to be bad, as {@link damageName} names them. */
  damaged: ReadonlySet<string>
  /** Sources that failed on the way here, or were silent for anybody a moment ago. */
  setbacks: Setbacks
}

export interface LocateOptions extends Pick<OpenOptions, 'version' | 'stallMs' | 'signal'> {
  /** What else routing is told. */
  request?: Pick<RouteRequest, 'node' | 'checked' | 'stayWith'>
}

/** An object of a source, in a set of those that are bad. */
export function damageName(sourceId: string, key: string): string {
  return `${sourceId}\0${key}`
}

/** Finds a version and decides where to read it from. */
export async function locate(
  context: Context,
  manifests: Manifests,
  actor: Actor,
  datasetId: string,
  options: LocateOptions = {},
): Promise<VersionPlace> {
  const { version: number, stallMs, signal } = options
  checkOpenOptions(options)
  throwIfAborted(signal)
  const dataset = await context.catalog.getDataset(datasetId)
  if (dataset === undefined) throw new StowageError('not-found', `There is no dataset "${datasetId}".`)
  if (dataset.version === 0) {
    throw new StowageError('not-found', `Dataset "${dataset.name}" has no published version yet.`, {
      hint: 'Publish its draft.',
    })
  }
  const version = await context.catalog.getVersion(datasetId, number ?? dataset.version)
  if (version === undefined) throw new StowageError('not-found', `Dataset "${dataset.name}" has no version ${number}.`)
  const all = await context.catalog.listReplicas(datasetId, version.number)
  const decision = await context.decide(
    {
      ...options.request,
      purpose: 'read',
      actor,
      datasetId,
      version: version.number,
      tags: dataset.tags,
      size: version.size,
    },
    all,
  )
  const replicas = decision.candidates.flatMap((candidate) => all.find((r) => r.sourceId === candidate.sourceId) ?? [])
  if (replicas.length === 0) {
    throw new StowageError('no-source', `No source can give version ${version.number} of "${dataset.name}".`, {
      hint: decision.dropped.map((drop) => `${drop.sourceId}: ${drop.reason}`).join('; '),
    })
  }
  const damage = await context.catalog.listDamage({ datasetId })
  const damaged = new Set(damage.map(({ sourceId, key }) => damageName(sourceId, key)))
  const onBad = suspectManifest(context, version, replicas)
  const setbacks = new Setbacks(context.clock, context.setbacks)
  const opening = manifests.of(version, replicas, { onBad, patience: patienceOf(context, stallMs, setbacks) })
  const manifest = await unlessAborted(opening, signal)
  return { version, replicas, decision, manifest, damaged, setbacks }
}

/** @throws StowageError `not-found` when the version has no such file */
export async function findEntry(
  place: VersionPlace,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ManifestEntry> {
  const entry = await unlessAborted(place.manifest.find(path), signal)
  if (entry !== undefined) return entry
  throw new StowageError('not-found', `Version ${place.version.number} has no file "${path}".`, { key: path })
}
