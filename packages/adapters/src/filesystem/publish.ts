import { errnoOf, type ObjectHeaders, type PutResult, StowageError } from '@stowage/core'
import { preconditionFailed } from '../shared/index.ts'
import type { Context } from './context.ts'
import { isMissing } from './errors.ts'
import { etagOf, type FileStatus, modifiedAt } from './etag.ts'
import { Names } from './names.ts'
import { statusOf } from './read.ts'
import type { Staged } from './stage.ts'

const mostAttempts = 20

/** File systems that have no hard links (FAT, some network shares) say one of these. */
const noLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** Under which condition a staged file becomes the object. */
export interface Condition {
  ifNoneMatch?: '*' | undefined
  ifMatch?: string | undefined
}

/**
 * Makes a staged file the object, in one step that readers see or do not see. What is left of the staged file is the caller's to remove.
 * @throws StowageError `precondition-failed`, `conflict`; errors of the operating system as they are
 */
export async function publish(
  context: Context,
  key: string,
  staged: Staged,
  headers: ObjectHeaders,
  condition: Condition,
): Promise<PutResult> {
  await context.prepare(modifiedAt(staged.status))
  // A condition on the etag is checked and acted upon in one step only if all who set one share the lock.
  return context.locks.hold(Names.folded(key), condition.ifMatch !== undefined, async () => {
    await context.names.assertSame(key)
    return condition.ifNoneMatch === undefined
      ? replace(context, key, staged, headers, condition.ifMatch)
      : create(context, key, staged, headers)
  })
}

async function create(context: Context, key: string, staged: Staged, headers: ObjectHeaders): Promise<PutResult> {
  await context.sidecars.write(key, staged.status, headers)
  try {
    await intoFolder(context, key, async (target) => {
      try {
        await context.fs.link(staged.path, target)
      } catch (error) {
        const errno = errnoOf(error)
        if (errno === 'EEXIST') await assertNoObject(context, key, target)
        if (!noLinks.has(errno ?? '')) throw error
        await createWithoutLinks(context, key, staged, target)
      }
    })
  } catch (error) {
    await context.sidecars.remove(key, staged.status)
    throw error
  }
  return { etag: etagOf(staged.status) }
}

/** Without hard links there is no create-only rename; so a lock that all processes share makes one step of look and rename. */
async function createWithoutLinks(context: Context, key: string, staged: Staged, target: string): Promise<void> {
  await context.locks.holdFile(Names.folded(key), async () => {
    await assertNoObject(context, key, target)
    await context.fs.rename(staged.path, target)
  })
}

/** Fails with `precondition-failed` when an object has the name; a folder is left to the caller. */
async function assertNoObject(context: Context, key: string, target: string): Promise<void> {
  const status = await context.fs.lstat(target).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (status !== undefined && !status.isDirectory()) throw preconditionFailed(context.adapter, key, 'exists already')
}

async function replace(
  context: Context,
  key: string,
  staged: Staged,
  headers: ObjectHeaders,
  ifMatch: string | undefined,
): Promise<PutResult> {
  const before = await statusOf(context, key)
  if (ifMatch !== undefined && (before === undefined || etagOf(before) !== ifMatch)) {
    throw preconditionFailed(context.adapter, key, before === undefined ? 'does not exist' : 'has changed')
  }
  const status = await distinct(context, staged, before)
  await context.sidecars.write(key, status, headers)
  try {
    await intoFolder(context, key, (target) => context.fs.rename(staged.path, target))
  } catch (error) {
    await context.sidecars.remove(key, status)
    throw error
  }
  if (before !== undefined) await context.sidecars.remove(key, before)
  return { etag: etagOf(status) }
}

/** Two writes of one size within a tick of the disk's clock would have one etag: the second is dated a little later. */
async function distinct(context: Context, staged: Staged, before: FileStatus | undefined): Promise<FileStatus> {
  if (before === undefined || etagOf(before) !== etagOf(staged.status)) return staged.status
  const later = Number(staged.status.mtimeNs / 1_000_000n) / 1000 + 0.002
  await context.fs.utimes(staged.path, later, later)
  return context.fs.lstat(staged.path, { bigint: true })
}

/** Runs `act` with the path to write to; makes folders, and tries again when a folder was removed or an empty one is in the way. */
async function intoFolder(context: Context, key: string, act: (target: string) => Promise<void>): Promise<void> {
  const { fs, place, adapter } = context
  const name = key.slice(key.lastIndexOf('/') + 1)
  for (let attempt = 1; ; attempt++) {
    const folder = await place.ensureFolderOf(key)
    const target = folder === '/' ? `/${name}` : `${folder}/${name}`
    try {
      await act(target)
      if (context.flush) await flushFolder(context, folder)
      return
    } catch (error) {
      if (StowageError.isInstance(error)) throw error
      const errno = errnoOf(error)
      if (errno === 'ENOTDIR' && attempt === mostAttempts) throw place.objectInTheWay(key, error)
      if (errno === 'EISDIR' || errno === 'EEXIST' || errno === 'ENOTEMPTY') {
        // A folder without objects is no object in the way, only a name.
        if (attempt === mostAttempts || !(await removeIfEmpty(fs, target))) {
          throw new StowageError('conflict', `${adapter.id}: ${JSON.stringify(key)} is a folder of other objects.`, {
            key,
            sourceId: adapter.id,
            cause: error,
            hint: 'A file system cannot hold both "a" and "a/b"; rename one of them.',
          })
        }
      } else if ((errno !== 'ENOENT' && errno !== 'ENOTDIR') || attempt === mostAttempts) throw error
    }
  }
}

async function removeIfEmpty(fs: Context['fs'], folder: string): Promise<boolean> {
  try {
    await fs.rmdir(folder)
    return true
  } catch (error) {
    if (isMissing(error)) return true
    const errno = errnoOf(error)
    if (errno === 'ENOTEMPTY' || errno === 'EEXIST') return false
    throw error
  }
}

async function flushFolder(context: Context, folder: string): Promise<void> {
  const handle = await context.fs.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
