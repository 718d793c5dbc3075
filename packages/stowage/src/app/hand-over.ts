import { type ReplicaName, toStowageError } from '@stowage/core'
import type { TaskService } from '@stowage/sync'
import type { Context } from './context.ts'

/**
 * Makes copies that somebody asked for, and that were not done in time, tasks of the queue, for the workers. What the queue does not take
 * becomes an alert.
 */
export async function handOver(
  { context, queue }: { context: Context; queue: TaskService },
  replicas: readonly ReplicaName[],
): Promise<void> {
  for (const { datasetId, version, sourceId: targetId } of replicas) {
    try {
      const all = await context.catalog.listReplicas(datasetId, version)
      const primary = all.find(({ status }) => status === 'ready')
      if (primary === undefined) continue
      await queue.enqueue({
        datasetId,
        version,
        sourceId: primary.sourceId,
        sourcePrefix: primary.path,
        targetId,
        targetPrefix: `${context.sources.datasetRoot(targetId)}${datasetId}/`,
        key: `ensure/${datasetId}/${version}/${targetId}`,
      })
    } catch (thrown) {
      const { code, message } = toStowageError(thrown)
      const text = `The copy of version ${version} to "${targetId}" could not be handed to the queue: ${message}`
      context.events.emit('alert', { severity: 'warning', code, message: text, datasetId, sourceId: targetId })
    }
  }
}
