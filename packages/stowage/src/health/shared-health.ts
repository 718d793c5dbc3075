import { type Clock, type Events, hasCode, type StowageError, type SyncStore, toStowageError } from '@stowage/core'
import { type HealthNews, mergeNews } from '@stowage/router'
import { atMost } from '../app/at-most.ts'
import { Fresh } from '../app/fresh.ts'
import { decodeHealth, encodeHealth, healthKey, newestOf, type StoredHealth, shifted } from './stored-health.ts'

/** What others saw is looked at again at most so often, by whoever decides. */
const lookMs = 300

/** So long is waited for it at the end. */
const closingMs = 2_000

/** What is no matter of a source being up or down, such as its latency, is written at most so often. */
const calmMs = 10_000

/** What was not heard of for so long is dropped from the record. */
const keptMs = 7 * 86_400_000

/** Clocks that are no further apart are taken for one. */
const skewMs = 250
const skewEveryMs = 60_000

/** Writes that others keep coming before are given up until the next look. */
const ATTEMPTS = 10

/** What is told of a source here. */
export interface Told {
  place: string
  news: HealthNews
}

/** What {@link SharedHealth} is made of. */
export interface SharedHealthParts {
  store: SyncStore
  clock: Clock
  events: Events
  /** Names this process. */
  by: string
  /** What this process knows of a source now; `undefined` when it knows of none. */
  own(sourceId: string): Told | undefined
  /** Takes over what another process saw. */
  take(sourceId: string, told: Told): void
}

/**
 * The health of sources as all processes on a catalog know it: one record, read by who decides and written when something changes. A catalog
 * that does not answer, or has what cannot be used, leaves each process with what it sees itself.
 */
export class SharedHealth {
  readonly #parts: SharedHealthParts
  readonly #fresh: Fresh
  #revision: string | undefined
  readonly #changed = new Set<string>()
  readonly #calm = new Set<string>()
  #calmAt = Number.NEGATIVE_INFINITY
  #writing: Promise<void> | undefined
  #skew = 0
  #skewAt = Number.NEGATIVE_INFINITY
  #refused = false

  constructor(parts: SharedHealthParts) {
    this.#parts = parts
    this.#fresh = new Fresh(parts.clock, () => this.#look(), { everyMs: lookMs })
  }

  /** Takes over what others saw, unless that was done a moment ago. Does not throw, and does not wait long. */
  fresh(): Promise<void> {
    return this.#fresh.ask(false)
  }

  /** Something of a source changed here. @param urgent whether it went down or came up */
  tell(sourceId: string, urgent: boolean): void {
    if (this.#refused) return
    if (urgent) this.#changed.add(sourceId)
    else this.#calm.add(sourceId)
    if (urgent) void this.#write()
  }

  /** Writes what is not written yet. Does not throw, and does not wait long for a catalog that does not answer. */
  async settled(): Promise<void> {
    this.#hurry()
    await atMost(this.#parts.clock, closingMs, this.#write())
  }

  /** What changed is written now, also what could wait. */
  #hurry(): void {
    for (const id of this.#calm) this.#changed.add(id)
    this.#calm.clear()
  }

  async #look(): Promise<void> {
    await this.#measure()
    const record = await this.#parts.store.get(healthKey)
    if (record !== undefined && record.revision !== this.#revision) {
      this.#takeAll(this.#decode(record.value))
      this.#revision = record.revision
    }
    const now = this.#parts.clock.now()
    if (this.#calm.size > 0 && now - this.#calmAt >= calmMs) {
      this.#calmAt = now
      this.#hurry()
    }
    if (this.#changed.size > 0) void this.#write()
  }

  /** Writes what changed; what cannot be written now is written after a later look. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeAll()
      .catch(() => undefined)
      .finally(() => {
        this.#writing = undefined
      })
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    const { store } = this.#parts
    await this.#measure()
    for (let attempt = 0; this.#changed.size > 0 && !this.#refused && attempt < ATTEMPTS; ) {
      const ids = [...this.#changed]
      this.#changed.clear()
      try {
        const found = await store.get(healthKey)
        const before = found === undefined ? new Map<string, StoredHealth>() : this.#decode(found.value)
        if (found !== undefined && found.revision !== this.#revision) this.#takeAll(before)
        const after = this.#merged(before, ids)
        if (after !== undefined)
          this.#revision = await store.put(healthKey, encodeHealth(after), found?.revision ?? null)
      } catch (error) {
        for (const id of ids) this.#changed.add(id)
        if (!hasCode(error, 'conflict')) throw error
        attempt++
      }
    }
  }

  /** The record with what is known here of some sources put in; `undefined` when that is no news. */
  #merged(before: ReadonlyMap<string, StoredHealth>, ids: readonly string[]): Map<string, StoredHealth> | undefined {
    const { own, by, clock } = this.#parts
    const now = clock.now() + this.#skew
    const after = new Map([...before].filter(([, { news }]) => now - newestOf(news) < keptMs))
    let isNews = false
    for (const id of ids) {
      const mine = own(id)
      if (mine === undefined) continue
      const told = shifted(mine.news, this.#skew)
      const there = after.get(id)
      const news = there?.place === mine.place ? mergeNews(there.news, told) : told
      if (there?.place === mine.place && JSON.stringify(news) === JSON.stringify(there.news)) continue
      after.set(id, { place: mine.place, by, news })
      isNews = true
    }
    return isNews ? after : undefined
  }

  #takeAll(stored: ReadonlyMap<string, StoredHealth>): void {
    const { by, take } = this.#parts
    for (const [id, { place, news, by: writer }] of stored) {
      if (writer !== by) take(id, { place, news: shifted(news, -this.#skew) })
    }
  }

  #decode(value: Uint8Array): Map<string, StoredHealth> {
    try {
      return decodeHealth(value)
    } catch (error) {
      // One that cannot be read says nothing, and is written anew; a newer version's is left alone.
      if (hasCode(error, 'integrity')) return new Map()
      this.#refuse(toStowageError(error))
      throw error
    }
  }

  #refuse({ code, message }: StowageError): void {
    if (code !== 'newer-format' || this.#refused) return
    this.#refused = true
    const why = `Sources are judged here by what this process sees alone: ${message}`
    this.#parts.events.emit('alert', { severity: 'warning', code, message: why })
  }

  /** How far the catalog's clock is ahead of this process's. */
  async #measure(): Promise<void> {
    const { store, clock } = this.#parts
    const asked = clock.now()
    if (asked - this.#skewAt < skewEveryMs) return
    const there = await store.now()
    const ahead = there - (asked + clock.now()) / 2
    this.#skewAt = asked
    // Small changes are the time that the answer took.
    if (Math.abs(ahead - this.#skew) > skewMs) this.#skew = Math.round(ahead)
  }
}
