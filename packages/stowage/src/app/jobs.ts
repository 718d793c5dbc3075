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
  return jobs
}
