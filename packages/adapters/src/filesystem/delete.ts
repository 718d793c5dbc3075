import { errnoOf } from '@stowage/core'
import { preconditionFailed } from '../shared/index.ts'
import type { Context } from './context.ts'
import { isMissing } from './errors.ts'
import { etagOf } from './etag.ts'
import type { RemovedFolders } from './list.ts'
import { Names } from './names.ts'
import { statusOf } from './read.ts'

/** Deletes the file of a key with its sidecar, and the folders that it leaves empty, up to the root. */
export async function deleteObject(
  context: Context,
  removed: RemovedFolders,
  key: string,
  ifMatch: string | undefined,
): Promise<void> {
  await context.locks.hold(Names.folded(key), ifMatch !== undefined, async () => {
    const status = (await context.names.isSame(key)) ? await statusOf(context, key) : undefined
    if (ifMatch !== undefined && (status === undefined || etagOf(status) !== ifMatch)) {
      throw preconditionFailed(context.adapter, key, status === undefined ? 'does not exist' : 'has changed')
    }
    if (status === undefined) return
    try {
      // By its own path: of a link, the link goes and not what it leads to.
      await context.fs.unlink(context.place.pathOf(key))
    } catch (error) {
      if (!isMissing(error)) throw error
    }
    await context.sidecars.remove(key, status)
  })
  await removeEmptyFolders(context, removed, key)
}

async function removeEmptyFolders(context: Context, removed: RemovedFolders, key: string): Promise<void> {
  for (let cut = key.lastIndexOf('/'); cut > 0; cut = key.lastIndexOf('/', cut - 1)) {
    const path = context.place.pathOf(key.slice(0, cut))
    try {
      await removed.while(path, context.fs, () => context.fs.rmdir(path))
    } catch (error) {
      // Not empty, a link, in use, or not ours to remove: an empty folder is not worth failing a delete that worked.
      if (errnoOf(error) === undefined) throw error
      if (!isMissing(error)) return
    }
  }
}
