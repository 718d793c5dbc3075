import { createAdapter } from '@stowage/adapters'
import {
  type Clock,
  type ErrorCode,
  type Events,
  type Location,
  type ProbeResult,
  type Source,
  type SourceHealth,
  type SourceStatus,
  type StorageAdapter,
  StowageError,
  sourceStatus,
  toPrefix,
} from '@stowage/core'
import { type HealthOutcome, type HealthState, healthOf, reduceHealth } from '@stowage/router'
import type { SourceConfig } from '../config/index.ts'
import { adapterConfig } from './adapter-config.ts'

/** A source with what is seen of it. */
export interface SourceView extends Source {
  status: SourceStatus
  health: SourceHealth
}

interface Entry {
  source: Source
  config: SourceConfig
  adapter: Promise<StorageAdapter> | undefined
  health: HealthState | undefined
}

/** The sources of one Stowage: their descriptions, their adapters (made when first used, then kept) and their health. */
export class Sources {
  readonly #entries = new Map<string, Entry>()
  readonly #clock: Clock
  readonly #events: Events

  constructor(
    configs: readonly SourceConfig[],
    options: { clock: Clock; events: Events; adapters: Readonly<Record<string, StorageAdapter>> },
  ) {
    this.#clock = options.clock
    this.#events = options.events
    const now = options.clock.now()
    for (const config of configs) {
      const given = options.adapters[config.id]
      this.#entries.set(config.id, {
        source: describe(config, now),
        config,
        adapter: given === undefined ? undefined : Promise.resolve(given),
        health: undefined,
      })
    }
  }

  /** All sources, in the order of the configuration. */
  list(): SourceView[] {
    return [...this.#entries.values()].map((entry) => this.#view(entry))
  }

  /** Health of every source by id, as routing wants it. */
  health(): Record<string, SourceHealth> {
    return Object.fromEntries(this.list().map((source) => [source.id, source.health]))
  }

  /** @throws StowageError `configuration` when there is no such source */
  get(id: string): SourceView {
    return this.#view(this.#entry(id))
  }

  /** The folder of a source under which datasets lie, ending in `/` or empty. */
  datasetRoot(id: string): string {
    return toPrefix(this.#entry(id).config.datasetRoot ?? 'datasets')
  }

  /**
   * The adapter of a source.
   * @throws StowageError `configuration` when there is no such source, or its SDK is not installed
   */
  async adapter(id: string): Promise<StorageAdapter> {
    const entry = this.#entry(id)
    const opening = entry.adapter ?? createAdapter(adapterConfig(entry.config))
    entry.adapter = opening
    try {
      return await opening
    } catch (error) {
      entry.adapter = undefined
      throw error
    }
  }

  /**
   * Reads `SOURCE_ID:PREFIX`. The prefix names a folder.
   * @throws StowageError `configuration` when it is not of that form or names no source
   */
  async location(text: string): Promise<Location> {
    const colon = text.indexOf(':')
    if (colon <= 0) {
      throw new StowageError('configuration', `"${text}" is not a location.`, {
        hint: 'Write SOURCE_ID:PREFIX, such as lan:train/raw; "lan:" is the root.',
      })
    }
    return { adapter: await this.adapter(text.slice(0, colon)), prefix: toPrefix(text.slice(colon + 1)) }
  }

  /** Asks a source whether it can serve, and remembers the answer. */
  async probe(id: string, signal?: AbortSignal): Promise<ProbeResult> {
    const adapter = await this.adapter(id)
    const result = await adapter.probe(signal === undefined ? {} : { signal })
    this.#update(id, {
      probe: true,
      ok: result.ok,
      latencyMs: result.latencyMs,
      ...(result.error === undefined ? {} : { code: result.error.code }),
    })
    return result
  }

  /** Remembers how a request of real traffic went. */
  report(id: string, outcome: { ok: true } | { ok: false; code: ErrorCode }): void {
    this.#update(id, outcome)
  }

  async close(): Promise<void> {
    const made = [...this.#entries.values()].map((entry) => entry.adapter)
    await Promise.allSettled(made.map(async (adapter) => (await adapter)?.close()))
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry !== undefined) return entry
    throw new StowageError('configuration', `There is no source "${id}".`, {
      field: 'sources',
      hint: `Known sources: ${[...this.#entries.keys()].join(', ')}.`,
    })
  }

  #view(entry: Entry): SourceView {
    const health = healthOf(entry.health, this.#clock.now())
    return { ...entry.source, status: sourceStatus(entry.source, health), health }
  }

  #update(id: string, outcome: HealthOutcome): void {
    const entry = this.#entry(id)
    const now = this.#clock.now()
    const before = this.#view(entry).status
    entry.health = reduceHealth(entry.health, outcome, now, { seed: id })
    entry.source = { ...entry.source, lastHealthCheckAt: now }
    const after = this.#view(entry)
    if (after.status !== before) {
      const code = after.health.code
      this.#events.emit('source.health', {
        sourceId: id,
        status: after.status,
        ...(code === undefined ? {} : { code }),
      })
    }
  }
}

function describe(config: SourceConfig, now: number): Source {
  return {
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
  }
}
