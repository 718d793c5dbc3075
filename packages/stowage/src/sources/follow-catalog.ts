import { type Clock, type Events, type StorageAdapter, type StoredSource, StowageError } from '@stowage/core'
import { Fresh } from '../app/fresh.ts'
import type { SilentCatalog } from '../app/silent-catalog.ts'
import type { Tally } from '../health/tally.ts'
import type { CatalogSources } from './catalog-sources.ts'
import type { Entries } from './entries.ts'
import type { Entry } from './entry.ts'
import { LiveAdapter } from './live-adapter.ts'
import { configOf, samePlace } from './stored-config.ts'

/** What {@link CatalogFollower} is made of. */
interface FollowerOptions {
  /** Absent where the catalog keeps no sources. */
  catalog: CatalogSources | undefined
  entries: Entries
  clock: Clock
  events: Events
  /** Makes the adapter of an entry. */
  open: (entry: Entry) => Promise<StorageAdapter>
  /** What counts the calls of a source. */
  tally: (id: string) => Tally
  /** Told when the catalog does not answer, and when it does. */
  silence: SilentCatalog
}

/** Keeps the entries as the catalog has its sources, whoever changes them, and lets those who use one go on or end with it. */
export class CatalogFollower {
  readonly #options: FollowerOptions
  readonly #fresh: Fresh | undefined
  #cursor: string | undefined

  constructor(options: FollowerOptions) {
    const { catalog, clock, silence } = options
    this.#options = options
    if (catalog !== undefined) {
      this.#fresh = new Fresh(clock, () => this.#refresh(catalog), { onLate: () => silence.silent('sources') })
    }
  }

  /**
   * Takes over what changed in the catalog, unless that was done within the last second. A catalog that does not answer soon changes nothing.
   * @param now whether to ask in any case, to wait for the answer, and to fail when there is none
   */
  async fresh(now: boolean): Promise<void> {
    await this.#fresh?.ask(now)
  }

  /** Waits for the answer to what the catalog is asked now, if it is. */
  async settled(): Promise<void> {
    await this.#fresh?.settled()
  }

  async #refresh(catalog: CatalogSources): Promise<void> {
    const { entries, events } = this.#options
    const { cursor, whole, changed, removed } = await this.#changes(catalog)
    const first = this.#cursor === undefined
    // Before anything is taken over, so that a start that is refused is refused again.
    if (first) for (const { id } of changed) entries.assertNoClash(id)
    this.#cursor = cursor
    const known = whole ? entries.all().filter(({ origin }) => origin === 'catalog') : []
    const still = new Set(changed.map(({ id }) => id))
    const gone = [...removed, ...known.map(({ source }) => source.id).filter((id) => !still.has(id))]
    for (const id of gone) this.#forget(id)
    for (const stored of changed) this.#take(stored)
    if (!first && changed.length + gone.length > 0) {
      events.emit('sources.changed', { changed: changed.map(({ id }) => id), removed: gone })
    }
  }

  async #changes({ store }: CatalogSources): ReturnType<CatalogSources['store']['changes']> {
    const { silence } = this.#options
    try {
      const changes = await store.changes(this.#cursor)
      silence.answered('sources')
      return changes
    } catch (error) {
      silence.silent('sources', error)
      throw error
    }
  }

  #take(stored: StoredSource): void {
    const { entries, events, open, tally } = this.#options
    const before = entries.find(stored.id)
    if (before?.origin === 'file') {
      const message = `The catalog has a source "${stored.id}" too; the configuration's is used.`
      events.emit('alert', { severity: 'critical', code: 'configuration', message, sourceId: stored.id })
      return
    }
    const { options, hasCredentials, hasNextCredentials, revision, ...source } = stored
    const config = configOf(stored)
    const same = before !== undefined && samePlace(before.config, config)
    const entry: Entry = {
      source,
      config,
      origin: 'catalog',
      hasCredentials,
      hasNextCredentials,
      revision,
      adapter: undefined,
      tally: same ? before.tally : tally(stored.id),
    }
    if (same) {
      entry.adapter = before.adapter
      if (before.revision !== revision) {
        withLive(before, (live) => live.replace(() => open(entry)))
        before.tally.forgive()
      }
    } else if (before !== undefined) endOf(before, 'was moved to another place')
    entries.set(entry)
  }

  #forget(id: string): void {
    const { entries } = this.#options
    const entry = entries.find(id)
    if (entry?.origin !== 'catalog') return
    entries.delete(id)
    endOf(entry, 'was removed')
  }
}

/** What was begun with a source that is another one now ends, and says why. */
function endOf(entry: Entry, what: string): void {
  const { id } = entry.source
  const error = new StowageError('configuration', `The source "${id}" ${what} while it was used.`, {
    sourceId: id,
    hint: 'Begin again, with the sources as they are now.',
  })
  withLive(entry, (live) => live.end(error))
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
