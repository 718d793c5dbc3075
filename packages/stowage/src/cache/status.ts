import type { Pin, Removal, ReplicaUse, SourceUsage } from '@stowage/core'
import type { Context } from '../app/context.ts'
import type { CacheSettings } from '../config/index.ts'

/** How full a cache is, and what would leave it next. */
export interface CacheStatus extends SourceUsage {
  settings: CacheSettings
  /** Replicas that are ready, those first that were read longest ago; at most 20. */
  oldest: ReplicaUse[]
  /** What is on its way out. */
  removals: Removal[]
}

/** What is known of every cache, and all pins. */
export async function cacheStatus(context: Context): Promise<{ caches: CacheStatus[]; pins: Pin[] }> {
  const { caches, catalog, reads, sources } = context
  await reads.flush()
  await sources.fresh()
  const all: CacheStatus[] = []
  for (const [sourceId, settings] of caches.all()) {
    const usage = await caches.look(sourceId)
    const uses = await catalog.listUses(sourceId, { limit: 200 })
    const oldest = uses.filter(({ status }) => status === 'ready').slice(0, 20)
    all.push({ ...usage, settings, oldest, removals: await catalog.listRemovals({ sourceId }) })
  }
  return { caches: all, pins: await catalog.listPins() }
}
