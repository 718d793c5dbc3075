import { type Clock, type Events, toStowageError } from '@stowage/core'
import { type HealthOutcome, reduceHealth } from '@stowage/router'
import type { CatalogSources } from './catalog-sources.ts'
import { type Entry, viewOf } from './entry.ts'

/** Health checks are noted in the catalog at most so often, in milliseconds. */
const noteMs = 10_000

/** What {@link HealthRecord} is made of. */
interface HealthRecordOptions {
  clock: Clock
  events: Events
  catalog: CatalogSources | undefined
}

/** Remembers how sources served, tells of what changed by that, and notes in the catalog that they were looked at. */
export class HealthRecord {
  readonly #options: HealthRecordOptions
  readonly #noted = new Map<string, number>()
  #notes: Promise<unknown> = Promise.resolve()

  constructor(options: HealthRecordOptions) {
    this.#options = options
  }

  update(entry: Entry, outcome: HealthOutcome): void {
    const { clock, events } = this.#options
    const { id } = entry.source
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

  /** Resolves when what was noted has reached the catalog, or failed to. */
  async settled(): Promise<void> {
    await this.#notes
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
