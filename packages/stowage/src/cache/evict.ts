import { hasCode, type ReplicaUse, throwIfAborted } from '@stowage/core'
import type { Context } from '../app/context.ts'
import type { CacheSettings } from '../config/index.ts'

export interface EvictOptions {
  /** Only this cache. @defaultValue all */
  sourceId?: string
  /** Make room down to the low water mark, also where the high one is not reached. @defaultValue false */
  now?: boolean
  signal?: AbortSignal
}

/** Why a replica stays, though its space is wanted. */
export type KeptBecause = 'pinned' | 'primary' | 'held' | 'copies' | 'busy'

/** What became of one cache. */
export interface Evicted {
  sourceId: string
  /** Bytes on it, those that are on their way out included. */
  bytes: number
  /** Bytes that stay once all is gone that is marked. */
  staying: number
  capacity: number
  highWater: number
  lowWater: number
  /** Replicas that were marked now, those first that were read longest ago. */
  marked: { datasetId: string; version: number; bytes: number; usedAt: number }[]
  /** Replicas that were looked at and stay, by what keeps them. */
  kept: Record<KeptBecause, number>
}

/** Replicas of a cache that are looked at together. */
const PAGE = 200

/**
 * Marks what was read longest ago on caches that are above their high water mark, until what stays is down to the low one. Nothing that is
 * pinned, held, or of which too few good copies would be left. Reads are not sent to what is marked any more; its bytes go later.
 */
export async function evict(context: Context, options: EvictOptions = {}): Promise<Evicted[]> {
  const { caches, reads, sources } = context
  await reads.flush()
  await sources.fresh()
  const results: Evicted[] = []
  for (const [sourceId, settings] of caches.all()) {
    throwIfAborted(options.signal)
    if (options.sourceId !== undefined && options.sourceId !== sourceId) continue
    results.push(await new Eviction(context, sourceId, settings, options).run())
  }
  return results
}

/** Sources whose replicas count as copies: those that can be read. */
export function readable({ sources }: Context): string[] {
  return sources.list().flatMap(({ id, enabled, health }) => (enabled && health.healthy ? [id] : []))
}

class Eviction {
  readonly #context: Context
  readonly #settings: CacheSettings
  readonly #options: EvictOptions
  readonly #result: Evicted
  readonly #pinnedNames = new Map<string, boolean>()

  constructor(context: Context, sourceId: string, settings: CacheSettings, options: EvictOptions) {
    const { capacity, highWater, lowWater } = settings
    const kept = { pinned: 0, primary: 0, held: 0, copies: 0, busy: 0 }
    this.#context = context
    this.#settings = settings
    this.#options = options
    this.#result = { sourceId, bytes: 0, staying: 0, capacity, highWater, lowWater, marked: [], kept }
  }

  async run(): Promise<Evicted> {
    const result = this.#result
    await this.#measure()
    const { highWater, lowWater } = this.#settings
    if (result.staying <= (this.#options.now === true ? lowWater : highWater)) return result
    // What frees nothing goes only when that alone is left: versions that share all their files free nothing one by one.
    for (const least of [1, 0]) {
      for (let before = -1; result.staying > lowWater && before < result.marked.length; ) {
        before = result.marked.length
        Object.assign(result.kept, { pinned: 0, primary: 0, held: 0, copies: 0, busy: 0 })
        await this.#pass(least)
        await this.#measure()
      }
    }
    return result
  }

  async #measure(): Promise<void> {
    const { bytes, leaving } = await this.#context.caches.look(this.#result.sourceId)
    this.#result.bytes = bytes
    this.#result.staying = bytes - leaving
  }

  /** @param least bytes that a replica must free */
  async #pass(least: number): Promise<void> {
    const { catalog } = this.#context
    for (let after: ReplicaUse | undefined; ; ) {
      const page = await catalog.listUses(this.#result.sourceId, {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      })
      for (const use of page) {
        throwIfAborted(this.#options.signal)
        if (this.#result.staying <= this.#settings.lowWater) return
        await this.#look(use, least)
      }
      after = page.at(-1)
      if (page.length < PAGE) return
    }
  }

  async #look(use: ReplicaUse, least: number): Promise<void> {
    const { catalog, clock } = this.#context
    const { kept, marked } = this.#result
    const { datasetId, version, sourceId, status, usedAt } = use
    if (status === 'deleting') return
    if (status === 'syncing') return count(kept, 'busy')
    if (use.isPrimary && !this.#settings.primaries) return count(kept, 'primary')
    if (use.heldUntil > clock.now()) return count(kept, 'held')
    if (await this.#isPinned(use)) return count(kept, 'pinned')
    const bytes = await catalog.freedBy(use)
    if (bytes < least) return
    const { minimumCopies, graceMs } = this.#settings
    const wanted = { minimumCopies, graceMs, unlessPinned: true, status, among: readable(this.#context) }
    try {
      await catalog.markReplicaDeleting({ datasetId, version, sourceId }, wanted)
    } catch (error) {
      if (hasCode(error, 'not-found')) return
      if (hasCode(error, 'unsafe')) return count(kept, 'copies')
      if (hasCode(error, 'conflict')) return count(kept, 'busy')
      throw error
    }
    this.#result.staying -= bytes
    marked.push({ datasetId, version, bytes, usedAt })
    this.#context.events.emit('replica.evicted', { datasetId, version, sourceId, bytes, usedAt })
  }

  /** Pins of the configuration, and those of the catalog. */
  async #isPinned({ datasetId, version, sourceId }: ReplicaUse): Promise<boolean> {
    const { catalog } = this.#context
    if (this.#settings.pins.length > 0) {
      const name = `${datasetId}@${version}`
      const known = this.#pinnedNames.get(name) ?? (await this.#isNamed(datasetId, version))
      this.#pinnedNames.set(name, known)
      if (known) return true
    }
    return (await catalog.listPins(datasetId)).some(
      (pin) => (pin.version ?? version) === version && (pin.sourceId ?? sourceId) === sourceId,
    )
  }

  async #isNamed(datasetId: string, version: number): Promise<boolean> {
    const name = (await this.#context.catalog.getDataset(datasetId))?.name
    return this.#settings.pins.some((pin) =>
      [datasetId, name].some((one) => one !== undefined && (pin === one || pin === `${one}@${version}`)),
    )
  }
}

function count(kept: Evicted['kept'], why: KeptBecause): void {
  kept[why]++
}
