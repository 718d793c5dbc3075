import { type Events, StowageError, type SyncTask } from '@stowage/core'
import {
  createTaskQueue,
  type Hands,
  type SyncResult,
  type TaskCarrier,
  type TaskQueueOptions,
  type TaskService,
} from '@stowage/sync'
import type { QueueConfig } from '../config/index.ts'
import type { PolicyTasks, Replications } from '../policies/index.ts'
import type { Context } from './context.ts'

const day = 86_400_000

/** Opens the queue that the configuration names. Nothing is contacted before it is used. */
export async function openQueue(
  config: QueueConfig | undefined,
  options: Omit<TaskQueueOptions, 'carrier' | 'retention'> & { events: Events },
): Promise<TaskService> {
  const { days, tasks } = config?.retention ?? {}
  return createTaskQueue({
    ...options,
    ...(config?.type === 'bullmq' ? { carrier: await bull(config, options.events) } : {}),
    retention: { ...(days === undefined ? {} : { ms: days * day }), ...(tasks === undefined ? {} : { count: tasks }) },
  })
}

/** @throws StowageError `configuration` that says what to install */
async function bull(config: Extract<QueueConfig, { type: 'bullmq' }>, events: Events): Promise<TaskCarrier> {
  const { bullCarrier } = await import('@stowage/sync/bullmq').catch((cause: unknown) => {
    throw new StowageError(
      'configuration',
      'The packages bullmq and ioredis are missing, which a queue on Redis needs.',
      {
        cause,
        field: 'queue.type',
        hint: 'Run: npm install bullmq ioredis',
      },
    )
  })
  const { redis, prefix, tls } = config
  return bullCarrier({
    redis,
    events,
    ...(prefix === undefined ? {} : { prefix }),
    ...(tls === undefined ? {} : { tls }),
  })
}

/** What tasks of the queue are done with. */
export interface TaskParts {
  context: Context
  replications: Replications
  policies: PolicyTasks
}

/** Does one task of the queue: what is noted for a policy, brings a version of a dataset to its target, or syncs two folders. */
export async function runTask(
  { context, replications, policies }: TaskParts,
  task: SyncTask,
  signal: AbortSignal,
  hands: Hands,
): Promise<SyncResult> {
  const { join, onPartitions } = hands
  const { sourceId, sourcePrefix, targetId, targetPrefix, datasetId, version, policyId, options } = task
  if (task.noted === true) return policies.perform(task, signal, hands)
  const own = { taskId: task.id, signal, ...(policyId === undefined ? {} : { policyId }) }
  if (datasetId !== undefined && version !== undefined) return replications.run(datasetId, version, targetId, own)
  const { sources, sync } = context
  return sync.run({
    ...options,
    ...own,
    join,
    onPartitions,
    from: await sources.location(`${sourceId}:${sourcePrefix}`),
    to: await sources.location(`${targetId}:${targetPrefix}`),
  })
}
