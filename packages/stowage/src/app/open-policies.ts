import type { NewTask } from '@stowage/sync'
import { checkPolicy, checkPolicyFields, type PolicyConfig } from '../config/index.ts'
import {
  CatalogPolicies,
  ChangeNotes,
  Intake,
  type PeriodicJobs,
  Policies,
  PolicyRuns,
  PolicySet,
  PolicyWork,
  Publications,
  Records,
  type Replications,
  Scheduler,
  Watches,
} from '../policies/index.ts'
import type { Context } from './context.ts'

/** Everything that has to do with policies. */
export interface OpenPolicies {
  policies: Policies
  intake: Intake
  publications: Publications
}

/**
 * Puts the policies of the configuration and of the catalog together. Nothing runs by itself before it is started.
 * @throws StowageError `configuration` when both have a policy of one id
 */
export async function openPolicies(
  context: Context,
  replications: Replications,
  periodic: PeriodicJobs,
  configs: readonly PolicyConfig[],
  enqueue: (task: NewTask) => Promise<unknown>,
): Promise<OpenPolicies> {
  const { clock, random, events, sources, records: store } = context
  const records = new Records({ store, clock, random })
  const catalog = new CatalogPolicies(records)
  const set = new PolicySet(configs, catalog, clock, events)
  await set.fresh(true)
  const notes = new ChangeNotes(records, random)
  const work = new PolicyWork(context, replications, set)
  const runs = new PolicyRuns({ records, notes, work, clock, random, events })
  const newId = (): string => random.id(clock.now())
  const scheduler = new Scheduler({ records, set, runs, notes, clock, events, newId })
  const intake = new Intake({ records, set, runs, notes, sources, onNoted: () => scheduler.wake() })
  const watches = new Watches({ records, set, intake, sources, clock, random, events })
  const publications = new Publications(context, replications, set)
  const check = async (policy: PolicyConfig): Promise<void> => {
    checkPolicyFields(policy)
    await sources.fresh(true)
    checkPolicy(policy, `Policy "${policy.id}"`, new Set(sources.list().map(({ id }) => id)))
  }
  const policies = new Policies({
    set,
    catalog,
    runs,
    records,
    intake,
    watches,
    scheduler,
    publications,
    periodic,
    events,
    check,
    enqueue,
    sleep: (ms, signal) => clock.sleep(ms, signal),
  })
  return { policies, intake, publications }
}
