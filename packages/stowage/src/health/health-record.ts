import { type Clock, type Events, type Random, type SyncStore, toStowageError } from '@stowage/core'
import { type HealthOutcome, type HealthState, healthOf, newsOf, reduceHealth, takeNews } from '@stowage/router'
import type { CatalogSources } from '../sources/catalog-sources.ts'
import type { Entries } from '../sources/entries.ts'
import { type Entry, viewOf } from '../sources/entry.ts'
import { placeOf } from '../sources/stored-config.ts'
import { Blame } from './blame.ts'
import type { HealthSettings } from './settings.ts'
import { SharedHealth, type Told } from './shared-health.ts'
import { Tally } from './tally.ts'

/** Health checks are noted in the catalog at most so often, in milliseconds. */
const noteMs = 10_000

/** What {@link HealthRecord} is made of. */
export interface HealthRecordParts {
  clock: Clock
  random: Random
  events: Events
  settings: HealthSettings
  /** Where processes share what they see. */
  store: SyncStore
  catalog: CatalogSources | undefined
  entries: Entries
}

/** Remembers how sources served, tells of what changed by that, here and to other processes, and takes over what those saw. */
export class HealthRecord {
  readonly #parts: HealthRecordParts
  readonly #blame = new Blame()
  readonly #shared: SharedHealth
  /** Names this process. */
  readonly #by: string
  /** What of each source the others know from here, in short. */
  readonly #told = new Map<string, { standing: string; manner: string }>()
  readonly #noted = new Map<string, number>()
  #notes: Promise<unknown> = Promise.resolve()

  constructor(parts: HealthRecordParts) {
    const { clock, random, events, store } = parts
    this.#parts = parts
    this.#by = random.id(clock.now())
    this.#shared = new SharedHealth({
      store,
      clock,
      events,
      by: this.#by,
      own: (id) => this.#own(id),
      take: (id, told) => this.#take(id, told),
    })
  }

  /** What counts the calls of a source from now on. @param adapterId what errors of its adapter call it */
  tally(id: string, adapterId: string = id): Tally {
    const tally = new Tally(adapterId, this.#parts.clock, this.#blame)
    tally.judge = (outcome, at) => {
      const entry = this.#parts.entries.find(id)
      // What was moved to another place meanwhile is another source.
      if (entry?.tally === tally) this.#judge(entry, outcome, at)
    }
    return tally
  }

  /** Takes over what other processes saw. Does not throw, and does not wait long. */
  fresh(): Promise<void> {
    return this.#shared.fresh()
  }

  /** Resolves when what was noted has reached the catalog, or failed to. */
  async settled(): Promise<void> {
    await this.#notes
  }

  /** Tells the other processes what they do not know yet. Does not throw. */
  async close(): Promise<void> {
    await this.#notes
    await this.#shared.settled()
  }

  #judge(entry: Entry, outcome: HealthOutcome, at: number): void {
    const { settings } = this.#parts
    const seed = `${this.#by}/${entry.source.id}`
    this.#set(entry, reduceHealth(entry.tally.state, outcome, at, { ...settings, seed }))
    entry.source = { ...entry.source, lastHealthCheckAt: at }
    if (outcome.probe === true) this.#note(entry, at)
    this.#share(entry)
  }

  /** Puts a new state in place, and tells of what is different. */
  #set(entry: Entry, state: HealthState): void {
    const { clock, events, settings } = this.#parts
    const before = entry.status ?? viewOf(entry, clock, settings).status
    entry.tally.state = state
    const { status, health } = viewOf(entry, clock, settings)
    entry.status = status
    if (status === before) return
    const { code, trouble, since, retryAt } = health
    events.emit('source.health', {
      sourceId: entry.source.id,
      status,
      ...(code === undefined ? {} : { code }),
      ...(trouble === undefined ? {} : { trouble }),
      ...(since === undefined ? {} : { since }),
      ...(retryAt === undefined ? {} : { retryAt }),
    })
  }

  #own(id: string): Told | undefined {
    const entry = this.#parts.entries.find(id)
    if (entry?.tally.state === undefined) return undefined
    return { place: placeOf(entry.config), news: newsOf(entry.tally.state) }
  }

  #take(id: string, { place, news }: Told): void {
    const { entries, clock, settings } = this.#parts
    const entry = entries.find(id)
    if (entry === undefined || placeOf(entry.config) !== place) return
    entry.tally.settle()
    const state = takeNews(entry.tally.state, news, clock.now(), settings)
    this.#set(entry, state)
    if (state.lastCheckedAt !== undefined) entry.source = { ...entry.source, lastHealthCheckAt: state.lastCheckedAt }
    this.#told.set(id, this.#inShort(state))
  }

  /** Tells other processes when something is different from what they know from here. */
  #share({ source: { id }, tally }: Entry): void {
    if (tally.state === undefined) return
    const now = this.#inShort(tally.state)
    const told = this.#told.get(id) ?? this.#inShort()
    this.#told.set(id, now)
    if (now.standing !== told.standing) this.#shared.tell(id, true)
    else if (now.manner !== told.manner) this.#shared.tell(id, false)
  }

  #inShort(state?: HealthState): { standing: string; manner: string } {
    if (state === undefined) return { standing: standingOf({ broken: false, ejections: 0 }), manner: '' }
    const { tier } = healthOf(state, this.#parts.clock.now(), this.#parts.settings)
    return { standing: standingOf(state), manner: `${tier}/${stepOf(state.latencyMs)}` }
  }

  /** Notes in the catalog that health was checked; nobody waits for it, and nothing depends on it. */
  #note({ origin, source }: Entry, now: number): void {
    const { catalog } = this.#parts
    if (origin !== 'catalog' || catalog === undefined || now - (this.#noted.get(source.id) ?? 0) < noteMs) return
    this.#noted.set(source.id, now)
    const note = catalog.store.setHealthChecked(source.id, now).catch((error: unknown) => toStowageError(error))
    this.#notes = Promise.all([this.#notes, note])
  }
}

/** Whether a source is up or down, and by what. Each change of it is told at once. */
function standingOf(
  state: Pick<HealthState, 'broken' | 'ejections' | 'ejectedUntil' | 'recoveredAt' | 'throttledUntil'>,
): string {
  const { broken, ejections, ejectedUntil, recoveredAt, throttledUntil } = state
  const spared = throttledUntil === undefined ? '' : Math.ceil(throttledUntil / throttleStepMs)
  return `${broken}/${ejections}/${ejectedUntil ?? ''}/${recoveredAt ?? ''}/${spared}`
}

/** A source that throttles is told of again after so long, and not with every call. */
const throttleStepMs = 5_000

/** Latencies that differ by less than a factor of four are told as one. */
function stepOf(latencyMs: number | undefined): string {
  return latencyMs === undefined ? '' : String(Math.max(0, Math.round(Math.log2(Math.max(1, latencyMs)) / 2)))
}
