import {
  type Clock,
  createRedactor,
  type DiagnoseOptions,
  type ErrorCode,
  type Events,
  type Location,
  type ProbeResult,
  type Redactor,
  type RewrapResult,
  type SourceHealth,
  type StorageAdapter,
  type StoredSource,
  StowageError,
  toPrefix,
  toStowageError,
} from '@stowage/core'
import { type HealthOutcome, reduceHealth } from '@stowage/router'
import type { SourceConfig } from '../config/index.ts'
import type { CatalogSources, SourceUpdate } from './catalog-sources.ts'
import { diagnose, type SourceDiagnosis } from './doctor.ts'
import { adapterOf, type Entry, fileEntry, type SourceView, viewOf } from './entry.ts'
import { LiveAdapter } from './live-adapter.ts'
import { openAdapter } from './open-adapter.ts'
import { type Credentials, configOf, samePlace } from './stored-config.ts'

/** The catalog is asked for changes at most so often, in milliseconds, by whatever uses a source. */
const freshMs = 1000
/** Health checks are noted in the catalog at most so often, in milliseconds. */
const noteMs = 10_000

/** What {@link Sources} is made of. */
export interface SourcesOptions {
  clock: Clock
  events: Events
  /** Ready-made adapters by source id. */
  adapters: Readonly<Record<string, StorageAdapter>>
  /** Absent where the catalog keeps no sources. */
  catalog?: CatalogSources
  /** Secrets of the configuration, and those that are opened later. */
  secrets: Set<string>
}

/**
 * The sources of one Stowage: their descriptions, their adapters (made when first used, then kept) and their health. Those of the
 * configuration are read-only; those of the catalog can be added, changed and removed at any time, here or in another process.
 */
export class Sources {
  readonly #entries = new Map<string, Entry>()
  readonly #options: SourcesOptions
  readonly #noted = new Map<string, number>()
  #notes: Promise<unknown> = Promise.resolve()
  #cursor: string | undefined
  #asked: number | undefined
  #refreshing: Promise<void> | undefined
  #redactor: { size: number; redactor: Redactor } | undefined

  constructor(configs: readonly SourceConfig[], options: SourcesOptions) {
    this.#options = options
    const now = options.clock.now()
    for (const config of configs) {
      this.#entries.set(config.id, fileEntry(config, now, options.adapters[config.id]))
      for (const secret of [config.secretKey, config.sessionToken, config.presign?.secret])
        if (secret !== undefined) options.secrets.add(secret)
    }
  }

  /** All sources: those of the configuration in its order, then those of the catalog by id. */
  list(): SourceView[] {
    return [...this.#entries.values()].map((entry) => viewOf(entry, this.#options.clock))
  }

  /** Health of every source by id, as routing wants it. */
  health(): Record<string, SourceHealth> {
    return Object.fromEntries(this.list().map((source) => [source.id, source.health]))
  }

  /** @throws StowageError `configuration` when there is no such source */
  get(id: string): SourceView {
    return viewOf(this.#entry(id), this.#options.clock)
  }

  /** The folder of a source under which datasets lie, ending in `/` or empty. */
  datasetRoot(id: string): string {
    return toPrefix(this.#entry(id).config.datasetRoot ?? 'datasets')
  }

  /**
   * The adapter of a source. It can be kept: changes of the source reach it.
   * @throws StowageError `configuration` when there is no such source, or its SDK is not installed
   */
  async adapter(id: string): Promise<StorageAdapter> {
    await this.fresh()
    return adapterOf(
      this.#entry(id),
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
    this.#update(id, {
      probe: true,
      ok: result.ok,
      latencyMs: result.latencyMs,
      ...(result.error === undefined ? {} : { code: result.error.code }),
    })
    await this.#notes
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

  /** Remembers how a request of real traffic went. */
  report(id: string, outcome: { ok: true } | { ok: false; code: ErrorCode }): void {
    if (this.#entries.has(id)) this.#update(id, outcome)
  }

  /**
   * Adds a source to the catalog. Other processes have it within a second.
   * @throws StowageError `configuration` when the configuration has the id, when the endpoint leads where it must not, or when there is no
   * master key for its credentials; `conflict` when the catalog has the id; `invalid-request` naming the field that is wrong
   */
  async add(config: SourceConfig): Promise<SourceView> {
    const catalog = this.#catalog()
    this.#refuseClash(config.id)
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
   * Takes over what changed in the catalog, unless that was done within the last second. A catalog that does not answer changes nothing.
   * @param now whether to ask in any case, and to fail when there is no answer
   */
  async fresh(now = false): Promise<void> {
    const { catalog, clock } = this.#options
    if (catalog === undefined) return
    const since = clock.now() - (this.#asked ?? Number.NaN)
    if (!now && since >= 0 && since < freshMs) return
    this.#refreshing ??= this.#refresh(catalog).finally(() => {
      this.#refreshing = undefined
    })
    if (now) await this.#refreshing
    else await this.#refreshing.catch(() => undefined)
  }

  /** Takes secrets out of what is printed. */
  get redactor(): Redactor {
    const { secrets } = this.#options
    if (this.#redactor?.size !== secrets.size)
      this.#redactor = { size: secrets.size, redactor: createRedactor(secrets) }
    return this.#redactor.redactor
  }

  async close(): Promise<void> {
    await this.#notes
    const made = [...this.#entries.values()].map((entry) => entry.adapter)
    await Promise.allSettled(made.map(async (adapter) => (await adapter)?.close()))
  }

  async #refresh(catalog: CatalogSources): Promise<void> {
    this.#asked = this.#options.clock.now()
    const { cursor, whole, changed, removed } = await catalog.store.changes(this.#cursor)
    const first = this.#cursor === undefined
    // Before anything is taken over, so that a start that is refused is refused again.
    if (first) for (const { id } of changed) this.#refuseClash(id)
    this.#cursor = cursor
    const known = whole ? [...this.#entries.values()].filter(({ origin }) => origin === 'catalog') : []
    const still = new Set(changed.map(({ id }) => id))
    const gone = [...removed, ...known.map(({ source }) => source.id).filter((id) => !still.has(id))]
    for (const id of gone) this.#forget(id)
    for (const stored of changed) this.#take(stored)
    if (!first && changed.length + gone.length > 0) {
      this.#options.events.emit('sources.changed', { changed: changed.map(({ id }) => id), removed: gone })
    }
  }

  #take(stored: StoredSource): void {
    const before = this.#entries.get(stored.id)
    if (before?.origin === 'file') {
      const message = `The catalog has a source "${stored.id}" too; the configuration's is used.`
      this.#options.events.emit('alert', { severity: 'critical', code: 'configuration', message, sourceId: stored.id })
      return
    }
    const { options, hasCredentials, hasNextCredentials, revision, ...source } = stored
    const config = configOf(stored)
    const entry: Entry = {
      source,
      config,
      origin: 'catalog',
      hasCredentials,
      hasNextCredentials,
      revision,
      adapter: undefined,
      health: undefined,
    }
    if (before !== undefined && samePlace(before.config, config)) {
      entry.adapter = before.adapter
      entry.health = before.health
      if (before.revision !== revision) {
        withLive(before, (live) => live.replace(() => this.#open(entry)))
      }
    } else if (before !== undefined) this.#endOf(before, 'was moved to another place')
    this.#entries.set(stored.id, entry)
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id)
    if (entry?.origin !== 'catalog') return
    this.#entries.delete(id)
    this.#endOf(entry, 'was removed')
  }

  /** What was begun with a source that is another one now ends, and says why. */
  #endOf(entry: Entry, what: string): void {
    const { id } = entry.source
    withLive(entry, (live) =>
      live.end(
        new StowageError('configuration', `The source "${id}" ${what} while it was used.`, {
          sourceId: id,
          hint: 'Begin again, with the sources as they are now.',
        }),
      ),
    )
  }

  /** What of a change is seen here at once. */
  async #changed(stored: StoredSource): Promise<SourceView> {
    await this.fresh(true)
    return this.get(stored.id)
  }

  async #open({ origin, config }: Entry): Promise<StorageAdapter> {
    if (origin === 'file') return openAdapter(config, this.#options)
    const catalog = this.#catalog()
    return openAdapter(await catalog.open(config), { ...this.#options, network: catalog.network(config) })
  }

  #catalog(): CatalogSources {
    const { catalog } = this.#options
    if (catalog !== undefined) return catalog
    throw new StowageError('not-supported', 'This catalog keeps no sources.')
  }

  #editable(id: string): CatalogSources {
    if (this.#entries.get(id)?.origin !== 'file') return this.#catalog()
    throw new StowageError('configuration', `The source "${id}" stands in the configuration and cannot be changed.`, {
      sourceId: id,
      hint: 'Change it there and start again.',
    })
  }

  #refuseClash(id: string): void {
    if (this.#entries.get(id)?.origin !== 'file') return
    throw new StowageError('configuration', `The id "${id}" stands for a source of the configuration.`, {
      sourceId: id,
      field: 'id',
      hint: 'Give one of the two another id.',
    })
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry !== undefined) return entry
    throw new StowageError('configuration', `There is no source "${id}".`, {
      field: 'sources',
      hint: `Known sources: ${[...this.#entries.keys()].join(', ')}.`,
    })
  }

  #update(id: string, outcome: HealthOutcome): void {
    const entry = this.#entry(id)
    const { clock, events } = this.#options
    const now = clock.now()
    const before = viewOf(entry, clock).status
    entry.health = reduceHealth(entry.health, outcome, now, { seed: id })
    entry.source = { ...entry.source, lastHealthCheckAt: now }
    this.#note(entry, now)
    const after = viewOf(entry, clock)
    if (after.status !== before) {
      const code = after.health.code
      events.emit('source.health', { sourceId: id, status: after.status, ...(code === undefined ? {} : { code }) })
    }
  }

  /** Notes in the catalog that health was checked; nobody waits for it, and nothing depends on it. */
  #note({ origin, source }: Entry, now: number): void {
    const { catalog } = this.#options
    if (origin !== 'catalog' || catalog === undefined || now - (this.#noted.get(source.id) ?? 0) < noteMs) return
    this.#noted.set(source.id, now)
    const note = catalog.store.setHealthChecked(source.id, now).catch((error: unknown) => toStowageError(error))
    this.#notes = Promise.all([this.#notes, note])
  }
}

/** Does something to the adapter of an entry, also to one that is just being made. */
function withLive(entry: Entry, act: (live: LiveAdapter) => void): void {
  entry.adapter?.then(
    (adapter) => {
      if (adapter instanceof LiveAdapter) act(adapter)
    },
    () => undefined,
  )
}
