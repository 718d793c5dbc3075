import { type Manifests, sweepDrafts } from '../datasets/index.ts'
import { PeriodicJobs, Records } from '../policies/index.ts'
import type { Context } from './context.ts'

const HOUR = 3_600_000

/** What is done by itself now and then, by one process at a time. */
export function periodicJobs(context: Context, manifests: Manifests): PeriodicJobs {
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
  return jobs
}
