import { watchCalls } from '@stowage/adapters/wrappers'
import {
  type Clock,
  type DiagnoseOptions,
  type ErrorCode,
  type Events,
  type Location,
  type ProbeResult,
  type Random,
  type Redactor,
  type RewrapResult,
  type StorageAdapter,
  type StoredSource,
  StowageError,
  type SyncStore,
  toPrefix,
} from '@stowage/core'
import { healthOfAll, type RouteHealth, type RouteSource } from '@stowage/router'
import type { SilentCatalog } from '../app/silent-catalog.ts'
import { type CacheSettings, cacheSettings, type KnownSecrets, type SourceConfig } from '../config/index.ts'
import { HealthRecord, type HealthSettings } from '../health/index.ts'
import type { CatalogSources, SourceUpdate } from './catalog-sources.ts'
import { diagnose, type SourceDiagnosis } from './doctor.ts'
import { Entries } from './entries.ts'
import { adapterOf, type Entry, fileEntry, routeSourceOf, type SourceView, viewOf } from './entry.ts'
import { CatalogFollower } from './follow-catalog.ts'
import { openAdapter } from './open-adapter.ts'
import { type Credentials, configOf } from './stored-config.ts'

/** What {@link Sources} is made of. */
export interface SourcesOptions {
  clock: Clock
  random: Random
  events: Events
  /** How health is judged. */
  health: HealthSettings
  /** Where processes share what they see of sources. */
  records: SyncStore
  /** Ready-made adapters by source id. */
  adapters: Readonly<Record<string, StorageAdapter>>
  /** Absent where the catalog keeps no sources. */
  catalog?: CatalogSources
  /** Told when the catalog does not answer, and when it does. */
  silence: SilentCatalog
  /** Secrets of the configuration, and those that are opened later. */
  secrets: KnownSecrets
}

/**
 * The sources of one Stowage: their descriptions, their adapters (made when first used, then kept) and their health. Those of the
 * configuration are read-only; those of the catalog can be added, changed and removed at any time, here or in another process.
 */
export class Sources {
  readonly #options: SourcesOptions
  readonly #entries: Entries
  readonly #follower: CatalogFollower
  readonly #record: HealthRecord

  constructor(configs: readonly SourceConfig[], options: SourcesOptions) {
    const { clock, random, events, catalog, adapters, health: settings, records: store, silence } = options
    const entries = new Entries()
    const record = new HealthRecord({ clock, random, events, settings, store, catalog, entries })
    const now = clock.now()
    for (const config of configs) {
      const given = adapters[config.id]
      const tally = record.tally(config.id, given?.id)
      const watched = given === undefined ? undefined : watchCalls(given, tally, () => clock.now())
      entries.set(fileEntry(config, now, watched, tally))
    }
    this.#options = options
    this.#entries = entries
    this.#record = record
    const open = (entry: Entry): Promise<StorageAdapter> => this.#open(entry)
    const tally = (id: string) => record.tally(id)
    this.#follower = new CatalogFollower({ catalog, entries, clock, events, open, tally, silence })
  }

  /** All sources: those of the configuration in its order, then those of the catalog by id. */
  list(): SourceView[] {
    return this.#entries.all().map((entry) => this.#view(entry))
  }

  /** Health of every source that is enabled, by id, as routing wants it. */
  health(): Record<string, RouteHealth> {
    const able = this.#entries.all().filter(({ source }) => source.enabled)
    for (const { tally } of able) tally.settle()
    const { clock, health } = this.#options
    return healthOfAll(
      Object.fromEntries(able.map(({ source, tally }) => [source.id, tally.state])),
      clock.now(),
      health,
    )
  }

  /** Calls of this process under way on each source that has some, by id. */
  load(): Record<string, number> {
    const busy = this.#entries.all().filter(({ tally }) => tally.load > 0)
    return Object.fromEntries(busy.map(({ source, tally }) => [source.id, tally.load]))
  }

  /** When a source was last seen to serve, in milliseconds since the epoch; `undefined` when this process knows of no time. */
  servedAt(id: string): number | undefined {
    const tally = this.#entries.find(id)?.tally
    tally?.settle()
    return tally?.state?.lastOkAt
  }

  /** Takes over what other processes saw of sources' health. Does not throw, and does not wait long for a catalog that does not answer. */
  freshHealth(): Promise<void> {
    return this.#record.fresh()
  }

  /** Every source as routing looks at it. */
  routeSources(): RouteSource[] {
    return this.#entries.all().map(routeSourceOf)
  }

  /** The sources that are caches, in numbers. */
  caches(): Map<string, CacheSettings> {
    const found = new Map<string, CacheSettings>()
    for (const { source } of this.#entries.all()) {
      const settings = this.cacheOf(source.id)
      if (settings !== undefined) found.set(source.id, settings)
    }
    return found
  }

  /** `undefined` for a source that is no cache, or is not known. */
  cacheOf(id: string): CacheSettings | undefined {
    const cache = this.#entries.find(id)?.config.cache
    return cache === undefined ? undefined : cacheSettings(cache)
  }

  /** @throws StowageError `configuration` when there is no such source */
  get(id: string): SourceView {
    return this.#view(this.#entries.get(id))
  }

  /** The folder of a source under which datasets lie, ending in `/` or empty. */
  datasetRoot(id: string): string {
    return toPrefix(this.#entries.get(id).config.datasetRoot ?? 'datasets')
  }

  /**
   * The adapter of a source. It can be kept: changes of the source reach it.
   * @throws StowageError `configuration` when there is no such source, or its SDK is not installed
   */
  async adapter(id: string): Promise<StorageAdapter> {
    await this.fresh()
    // One that is not known may be what a slow catalog is about to tell of.
    if (this.#entries.find(id) === undefined) await this.#follower.settled()
    return adapterOf(
      this.#entries.get(id),
      (entry) => this.#open(entry),
      () => this.fresh(),
    )
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
    this.#entries.get(id).tally.tell({
      probe: true,
      ok: result.ok,
      latencyMs: result.latencyMs,
      ...(result.error === undefined ? {} : { code: result.error.code }),
      ...(result.error?.retryAfterMs === undefined ? {} : { retryAfterMs: result.error.retryAfterMs }),
    })
    await this.#record.settled()
    return result
  }

  /**
   * Looks at the whole set-up of a source: what is missing, and what will cost somebody later. What is wrong is a finding; it does not throw.
   * @throws StowageError `configuration` when there is no such source, or its options are wrong
   */
  async doctor(id: string, options: DiagnoseOptions = {}): Promise<SourceDiagnosis> {
    return diagnose(await this.adapter(id), options)
  }

  /** Asks a source that is not there yet whether it can serve. @throws StowageError `configuration` for options that are wrong */
  async tryOut(config: SourceConfig, signal?: AbortSignal): Promise<ProbeResult> {
    this.#catalog().judge(config)
    const adapter = await openAdapter(config, { ...this.#options, network: this.#catalog().network(config) })
    try {
      return await adapter.probe(signal === undefined ? {} : { signal })
    } finally {
      await adapter.close()
    }
  }

  /**
   * Remembers how something of real traffic went, beyond what calls of the source's adapter tell by themselves: that right bytes came, or
   * that none did. With the `error`, what its call has told already is not counted twice.
   */
  report(id: string, outcome: { ok: true } | { ok: false; code: ErrorCode; error?: StowageError }): void {
    const tally = this.#entries.find(id)?.tally
    if (outcome.ok) tally?.confirm()
    else if (outcome.error !== undefined) tally?.report(outcome.error)
    else tally?.tell(outcome)
  }

  /**
   * Adds a source to the catalog. Other processes have it within a second.
   * @throws StowageError `configuration` when the configuration has the id, when the endpoint leads where it must not, or when there is no
   * master key for its credentials; `conflict` when the catalog has the id; `invalid-request` naming the field that is wrong
   */
  async add(config: SourceConfig): Promise<SourceView> {
    const catalog = this.#catalog()
    this.#entries.assertNoClash(config.id)
    return this.#changed(await catalog.add(config))
  }

  /**
   * Changes a source of the catalog: what is given is set, `null` clears, the rest stays. A new endpoint needs its credentials with it.
   * Transfers under way go on with new keys; where the source moves, they end.
   * @param revision what the change was decided on (see {@link SourceView}); by default what is there now
   * @throws StowageError `conflict` when somebody else changed it first, and as {@link Sources.add}
   */
  async update(id: string, changes: SourceUpdate, revision?: string): Promise<SourceView> {
    return this.#changed(await this.#editable(id).update(id, changes, revision))
  }

  /** Lets routing choose the source again. Without effect when it is enabled. */
  async enable(id: string): Promise<SourceView> {
    return this.#changed(await this.#editable(id).store.setEnabled(id, true))
  }

  /** Keeps routing from choosing the source; what is under way on it goes on. Without effect when it is disabled. */
  async disable(id: string): Promise<SourceView> {
    return this.#changed(await this.#editable(id).store.setEnabled(id, false))
  }

  /**
   * Removes a source from the catalog, with its credentials. Its bytes are not touched.
   * @throws StowageError `unsafe` when replicas or open drafts lie on it
   */
  async remove(id: string): Promise<void> {
    await this.#editable(id).store.remove(id)
    await this.fresh(true)
  }

  /** Keeps credentials that will replace those in use, so that they can be tried out before; `null` forgets them. */
  async stageCredentials(id: string, credentials: Credentials | null): Promise<SourceView> {
    return this.#changed(await this.#editable(id).stage(id, credentials))
  }

  /** Asks a source whether it can serve with the credentials that will replace those in use. */
  async probeNext(id: string, signal?: AbortSignal): Promise<ProbeResult> {
    const catalog = this.#editable(id)
    const stored = await catalog.get(id)
    if (!stored.hasNextCredentials) {
      throw new StowageError('invalid-request', `${id}: there are no next credentials.`, {
        sourceId: id,
        hint: 'Stage them first.',
      })
    }
    return this.tryOut(await catalog.open(configOf(stored), 'next'), signal)
  }

  /** Makes the next credentials those in use. @throws StowageError `invalid-request` when there are none */
  async promoteCredentials(id: string): Promise<SourceView> {
    return this.#changed(await this.#editable(id).promote(id))
  }

  /** Seals all credentials under the newest master key. Once nothing of it failed, older master keys are needed no more. */
  rewrap(signal?: AbortSignal): Promise<RewrapResult> {
    return this.#catalog().rewrap(signal)
  }

  /**
   * Takes over what changed in the catalog, unless that was done within the last second. A catalog that does not answer within 200 ms changes
   * nothing; what it answers later is taken over then.
   * @param now whether to ask in any case, to wait for the answer, and to fail when there is none
   */
  fresh(now = false): Promise<void> {
    return this.#follower.fresh(now)
  }

  /** Takes secrets out of what others worded: errors, notes, logs. */
  get redactor(): Redactor {
    return this.#options.secrets.redactor
  }

  /** Takes keys and passwords out of results, and leaves signed URLs that somebody asked for as they are. */
  get resultRedactor(): Redactor {
    return this.#options.secrets.results
  }

  async close(): Promise<void> {
    await this.#record.close()
    const made = this.#entries.all().map((entry) => entry.adapter)
    await Promise.allSettled(made.map(async (adapter) => (await adapter)?.close()))
  }

  /** What of a change is seen here at once. */
  async #changed(stored: StoredSource): Promise<SourceView> {
    await this.fresh(true)
    return this.get(stored.id)
  }

  async #open({ origin, config, tally }: Entry): Promise<StorageAdapter> {
    const { clock } = this.#options
    const now = (): number => clock.now()
    if (origin === 'file') return watchCalls(await openAdapter(config, this.#options), tally, now)
    const catalog = this.#catalog()
    const options = { ...this.#options, network: catalog.network(config) }
    return watchCalls(await openAdapter(await catalog.open(config), options), tally, now)
  }

  #view(entry: Entry): SourceView {
    const { clock, health } = this.#options
    entry.tally.settle()
    return viewOf(entry, clock, health)
  }

  #catalog(): CatalogSources {
    const { catalog } = this.#options
    if (catalog !== undefined) return catalog
    throw new StowageError('not-supported', 'This catalog keeps no sources.')
  }

  #editable(id: string): CatalogSources {
    this.#entries.assertEditable(id)
    return this.#catalog()
  }
}
