import { errnoOf } from '@stowage/core'
import type { Context } from './context.ts'
import { etagOf } from './etag.ts'
import { statusOf } from './read.ts'

/** What a call that died left behind is this old before it is removed: far older than any call can be. */
const leftBehindMs = 24 * 3600 * 1000
/** Entries looked at in one sweep: the rest comes at the next. */
const mostEntries = 1000

/**
 * Removes what calls that died left behind: temporary files, locks, and (a part of them at each sweep) sidecars of files that were
 * replaced by other programs. Unfinished uploads are kept: whoever began them may go on.
 *
 * @param now the disk's own time, in milliseconds: a file server's clock may differ from ours
 */
export async function sweep(context: Context, now: number): Promise<void> {
  for (const folder of ['tmp', 'locks']) {
    for (const path of await entriesOf(context, context.place.work(folder))) {
      if (await isOld(context, path, now)) await context.fs.rm(path, { recursive: true, force: true })
    }
  }
  const groups = await entriesOf(context, context.place.work('meta'))
  const group = groups[Math.floor(context.chance() * groups.length)]
  if (group === undefined) return
  for (const path of await entriesOf(context, group)) {
    if ((await isOld(context, path, now)) && !(await isInUse(context, path))) await context.fs.rm(path, { force: true })
  }
}

async function entriesOf(context: Context, folder: string): Promise<string[]> {
  try {
    return (await context.fs.readdir(folder)).slice(0, mostEntries).map((name) => `${folder}/${name}`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

async function isOld(context: Context, path: string, now: number): Promise<boolean> {
  try {
    return now - (await context.fs.lstat(path)).mtimeMs > leftBehindMs
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

/** Whether a sidecar belongs to the file as it is now. One that cannot be read belongs to nothing. */
async function isInUse(context: Context, path: string): Promise<boolean> {
  let key: string
  try {
    key = (JSON.parse(await context.fs.readFile(path, 'utf8')) as { key: string }).key
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
  const status = await statusOf(context, key)
  return status !== undefined && path.endsWith(`.${etagOf(status)}.json`)
}
