import type { TaskService } from '@stowage/sync'
import { checkPolicy, checkPolicyFields, type PolicyConfig, type QueueWork } from '../config/index.ts'
import {
  CatalogPolicies,
  ChangeNotes,
  Intake,
  type PeriodicJobs,
  Policies,
  PolicyRuns,
  PolicySet,
  PolicyTasks,
  PolicyWork,
  Publications,
  Records,
  type Replications,
  refuseEndlessConfig,
  refuseNewEndless,
  Scheduler,
  Watches,
} from '../policies/index.ts'
import type { Context } from './context.ts'
import { runTask } from './queue.ts'

/** Everything that has to do with policies. */
export interface OpenPolicies {
  policies: Policies
  policyTasks: PolicyTasks
  intake: Intake
  publications: Publications
}

/**
 * Puts the policies of the configuration and of the catalog together. Nothing runs by itself before it is started.
 * @throws StowageError `configuration` when both have a policy of one id, or the work of those of the configuration need not come to an end
 */
export async function openPolicies(
  context: Context,
  replications: Replications,
  periodic: PeriodicJobs,
  configs: readonly PolicyConfig[],
  queue: TaskService,
  queueWork: QueueWork,
): Promise<OpenPolicies> {
  const { clock, random, events, sources, records: store } = context
  const records = new Records({ store, clock, random })
  refuseEndlessConfig(configs)
  const catalog = new CatalogPolicies(records)
  const set = new PolicySet(configs, catalog, clock, events)
  await set.fresh(true)
  const notes = new ChangeNotes(records, random)
  const work = new PolicyWork(context, replications, set)
  const all = (): PolicyConfig[] => set.list().map(({ config }) => config)
  const runs = new PolicyRuns({ records, notes, work, all, clock, random, events })
  const newId = (): string => random.id(clock.now())
  const tasks = new PolicyTasks({
    records,
    set,
    runs,
    notes,
    work,
    queue,
    tasks: context.sync.tasks,
    newId,
    onEnded: (id) => scheduler.ended(id),
  })
  const scheduler = new Scheduler({ records, set, runs, tasks, notes, clock, events, newId })
  const intake = new Intake({ records, set, runs, notes, sources, onNoted: () => scheduler.wake() })
  const watches = new Watches({ records, set, intake, sources, clock, events })
  const publications = new Publications(context, replications, set)
  const check = async (policy: PolicyConfig): Promise<void> => {
    checkPolicyFields(policy)
    await sources.fresh(true)
    checkPolicy(policy, `Policy "${policy.id}"`, new Set(sources.list().map(({ id }) => id)))
    await set.fresh(true)
    refuseNewEndless(policy, all())
  }
  const run: Parameters<TaskService['work']>[0]['run'] = (task, signal, hands) =>
    runTask({ context, replications, policies: tasks }, task, signal, hands)
  const { perSource, concurrency } = queueWork
  const bounds = perSource === undefined ? {} : { perSource }
  const policies = new Policies({
    set,
    catalog,
    runs,
    tasks,
    records,
    intake,
    watches,
    scheduler,
    publications,
    periodic,
    events,
    check,
    checkBeside: (policy) => refuseNewEndless(policy, all()),
    queue,
    work: (signal) => queue.work({ run, signal, ...bounds, ...(concurrency === undefined ? {} : { concurrency }) }),
    perform: (id, signal) => queue.perform(id, { run, signal, ...bounds }),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  })
  return { policies, policyTasks: tasks, intake, publications }
}
