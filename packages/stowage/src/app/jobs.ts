import { hasCode } from '@stowage/core'
import { type Evicted, evict, type KeptBecause, removeMarked } from '../cache/index.ts'
import { type Manifests, sweepDrafts } from '../datasets/index.ts'
import { PeriodicJobs, Records } from '../policies/index.ts'
import { type ScrubSettings, scrub } from '../scrub/index.ts'
import type { Context } from './context.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** What is done by itself now and then, by one process at a time. */
export function periodicJobs(context: Context, manifests: Manifests, settings: ScrubSettings): PeriodicJobs {
  const { records: store, clock, random, events } = context
  const jobs = new PeriodicJobs({ records: new Records({ store, clock, random }), clock, random, events })
  jobs.add({
    id: 'sweep-drafts',
    every: 6 * HOUR,
    run: async (signal) => {
      const { failed } = await sweepDrafts(context, manifests, { signal })
      if (failed[0] !== undefined) throw failed[0].error
    },
  })
  // What was reported is looked at soon; what is not due costs a look at the catalog.
  if (settings.enabled) {
    jobs.add({
      id: 'scrub',
      every: 10 * MINUTE,
      run: async (signal) => {
        await scrub(context, manifests, settings, { signal })
      },
    })
  }
  // Above its high water mark a cache is looked at soon; what is not due costs a look at the catalog.
  jobs.add({
    id: 'evict',
    every: MINUTE,
    run: async (signal) => {
      for (const cache of await evict(context, { signal })) tellFull(context, cache)
      const { failed } = await removeMarked(context, manifests, { signal })
      const [first] = failed.filter(({ error }) => !hasCode(error, 'lease-held'))
      if (first !== undefined) throw first.error
    },
  })
  return jobs
}

/** A cache that stays above its high water mark is told of by each look at it, an alert a minute: who keeps it there should know. */
function tellFull({ events }: Context, { sourceId, staying, highWater, kept }: Evicted): void {
  if (staying <= highWater) return
  const why = Object.entries(kept).flatMap(([reason, count]) =>
    count === 0 ? [] : [`${count} ${words[reason as KeptBecause]}`],
  )
  events.emit('alert', {
    severity: 'warning',
    code: 'no-space',
    message: `The cache "${sourceId}" stays above its high water mark, with ${staying} bytes: ${why.join(', ') || 'nothing is left to evict'}.`,
    sourceId,
  })
}

const words: Record<KeptBecause, string> = {
  pinned: 'replicas are pinned',
  primary: 'are primaries',
  held: 'are being read',
  copies: 'have too few good copies elsewhere, or are pinned',
  busy: 'are being written, or drafts follow them',
}
