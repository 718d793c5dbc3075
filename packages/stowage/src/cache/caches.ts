import { type Clock, type DatasetStore, type SourceUsage, StowageError } from '@stowage/core'
import type { CacheSettings } from '../config/index.ts'
import type { Sources } from '../sources/index.ts'

/** How long what lies on a cache is believed to be what it was, in milliseconds. */
const FRESH_MS = 5000

interface Seen {
  at: number
  usage: Promise<SourceUsage>
}

/** The sources that are caches: how much fits in, and how full they are. */
export class Caches {
  readonly #sources: Sources
  readonly #catalog: Pick<DatasetStore, 'usageOf'>
  readonly #clock: Clock
  readonly #seen = new Map<string, Seen>()

  constructor(sources: Sources, catalog: Pick<DatasetStore, 'usageOf'>, clock: Clock) {
    this.#sources = sources
    this.#catalog = catalog
    this.#clock = clock
  }

  all(): Map<string, CacheSettings> {
    return this.#sources.caches()
  }

  /** `undefined` for a source that is no cache. */
  get(sourceId: string): CacheSettings | undefined {
    return this.#sources.cacheOf(sourceId)
  }

  /** What lies on a cache, as it was some seconds ago at most. */
  usage(sourceId: string): Promise<SourceUsage> {
    const now = this.#clock.now()
    const seen = this.#seen.get(sourceId)
    if (seen !== undefined && Math.abs(now - seen.at) < FRESH_MS) return seen.usage
    return this.look(sourceId)
  }

  /** What lies on a cache now. */
  look(sourceId: string): Promise<SourceUsage> {
    const seen = { at: this.#clock.now(), usage: this.#catalog.usageOf(sourceId) }
    this.#seen.set(sourceId, seen)
    seen.usage.catch(() => {
      if (this.#seen.get(sourceId) === seen) this.#seen.delete(sourceId)
    })
    return seen.usage
  }

  /** Bytes that may still be written to each cache. */
  async rooms(): Promise<Map<string, number>> {
    const rooms = [...this.all()].map(
      async ([id, { capacity }]) => [id, capacity - (await this.usage(id)).bytes] as const,
    )
    return new Map(await Promise.all(rooms))
  }

  /**
   * Refuses what does not fit. Of a source that is no cache nothing is refused.
   * @throws StowageError `no-space`
   */
  async assertRoom(sourceId: string, bytes = 0): Promise<void> {
    const settings = this.get(sourceId)
    if (settings === undefined) return
    const { bytes: used, leaving } = await this.usage(sourceId)
    if (used < settings.capacity && used + bytes <= settings.capacity) return
    throw fullError(sourceId, settings, used, leaving, bytes)
  }
}

/** What to throw when something does not fit: it says when it may. */
export function fullError(
  sourceId: string,
  { capacity }: CacheSettings,
  used: number,
  leaving: number,
  wanted: number,
): StowageError {
  const more = wanted > 0 ? `, and ${wanted} more are wanted` : ''
  const later = 'Raise its capacity, unpin what is not needed, or see what keeps the rest: stowage cache status.'
  return new StowageError('no-space', `The cache "${sourceId}" holds ${used} of ${capacity} bytes${more}.`, {
    sourceId,
    retryable: true,
    hint: leaving > 0 ? `${leaving} bytes are on their way out: try again in some minutes.` : later,
  })
}
