import { hasCode, type ReplicaName } from '@stowage/core'
import type { Context } from '../app/context.ts'
import { fullError } from './caches.ts'
import { evict } from './evict.ts'

/**
 * Lets a replica into a cache that it fits in; room is made where it does not. It is in the catalog already, `syncing`, and so counts: of two that
 * come at once and do not both fit, one at most gets in, and the cache never holds more than fits. Of a source that is no cache all are let in.
 * @param isNew nothing was copied of it yet
 * @throws StowageError `no-space`; one that is new is taken back
 */
export async function admit(context: Context, replica: ReplicaName, isNew: boolean): Promise<void> {
  const { caches, catalog } = context
  const { sourceId } = replica
  const settings = caches.get(sourceId)
  if (settings === undefined) return
  if ((await caches.look(sourceId)).bytes <= settings.capacity) return
  await evict(context, { sourceId })
  const { bytes, leaving } = await caches.look(sourceId)
  if (bytes <= settings.capacity) return
  const own = await catalog.freedBy(replica)
  if (isNew) await takeBack(context, replica)
  throw fullError(sourceId, settings, bytes - own, leaving, own)
}

/** What nothing was copied of leaves nothing behind. */
async function takeBack({ catalog }: Context, replica: ReplicaName): Promise<void> {
  try {
    await catalog.markReplicaDeleting(replica, { status: 'syncing' })
    await catalog.removeReplica(replica)
  } catch (error) {
    if (!hasCode(error, 'unsafe', 'not-found', 'conflict')) throw error
  }
}
