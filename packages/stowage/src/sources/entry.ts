import {
  type Clock,
  type Source,
  type SourceHealth,
  type SourceStatus,
  type StorageAdapter,
  sourceStatus,
} from '@stowage/core'
import { type HealthOptions, healthOf, type RouteSource } from '@stowage/router'
import type { SourceConfig } from '../config/index.ts'
import type { Tally } from '../health/tally.ts'
import { LiveAdapter } from './live-adapter.ts'

/** Where a source is described: in the configuration, where it is read-only, or in the catalog, where it can change. */
export type SourceOrigin = 'file' | 'catalog'

/** A source with what is seen of it. It has no credentials. */
export interface SourceView extends Source {
  origin: SourceOrigin
  status: SourceStatus
  health: SourceHealth
  /** Keys are there; `false` also where the store needs none. */
  hasCredentials: boolean
  /** Keys that will replace them are there. */
  hasNextCredentials: boolean
  /** Of a source in the catalog: what a change is decided on. */
  revision?: string
}

/** One source of a registry. */
export interface Entry {
  source: Source
  config: SourceConfig
  origin: SourceOrigin
  hasCredentials: boolean
  hasNextCredentials: boolean
  revision?: string
  /** Made when it is first used. Of a source in the catalog it is a {@link LiveAdapter}. */
  adapter: Promise<StorageAdapter> | undefined
  /** Counts its calls and holds what is known of its health. */
  tally: Tally
  /** As it was told last. */
  status?: SourceStatus
}

/** The entry of a source in the configuration. @param given a ready-made adapter */
export function fileEntry(config: SourceConfig, now: number, given: StorageAdapter | undefined, tally: Tally): Entry {
  return {
    source: {
      id: config.id,
      name: config.name ?? config.id,
      type: config.type,
      ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
      ...(config.bucket === undefined ? {} : { bucket: config.bucket }),
      ...(config.region === undefined ? {} : { region: config.region }),
      isPublic: config.isPublic ?? config.type === 'oss',
      priority: config.priority ?? 100,
      weight: config.weight ?? 1,
      enabled: config.enabled ?? true,
      createdAt: now,
      updatedAt: now,
    },
    config,
    origin: 'file',
    hasCredentials: config.secretKey !== undefined,
    hasNextCredentials: false,
    adapter: given === undefined ? undefined : Promise.resolve(given),
    tally,
  }
}

/** An entry as routing looks at it. */
export function routeSourceOf({ source, config }: Entry): RouteSource {
  const { id, type, region, isPublic, priority, weight, enabled } = source
  const { labels, costPerGbRead, costPerGbStored, readOnly } = config
  return {
    id,
    type,
    isPublic,
    priority,
    weight,
    enabled,
    ...(region === undefined ? {} : { region }),
    ...(labels === undefined ? {} : { labels }),
    ...(costPerGbRead === undefined ? {} : { costPerGbRead }),
    ...(costPerGbStored === undefined ? {} : { costPerGbStored }),
    ...(readOnly === true ? { writable: false } : {}),
  }
}

export function viewOf(entry: Entry, clock: Clock, options: HealthOptions): SourceView {
  const health = healthOf(entry.tally.state, clock.now(), options)
  const { origin, hasCredentials, hasNextCredentials, revision } = entry
  return {
    ...entry.source,
    origin,
    status: sourceStatus(entry.source, health),
    health,
    hasCredentials,
    hasNextCredentials,
    ...(revision === undefined ? {} : { revision }),
  }
}

/** Makes the adapter of an entry when it is first asked for, and keeps it. */
export function adapterOf(
  entry: Entry,
  open: (entry: Entry) => Promise<StorageAdapter>,
  before: () => Promise<void>,
): Promise<StorageAdapter> {
  if (entry.adapter !== undefined) return entry.adapter
  const opening = open(entry).then((adapter) => (entry.origin === 'file' ? adapter : new LiveAdapter(adapter, before)))
  entry.adapter = opening
  opening.catch(() => {
    if (entry.adapter === opening) entry.adapter = undefined
  })
  return opening
}
