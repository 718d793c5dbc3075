import { errnoOf, type ListedObject, type SkippedEntry, StowageError } from '@stowage/core'
import type { Context } from './context.ts'
import { type Entry, type Folder, fromBytes, readFolder } from './entries.ts'
import { isMissing, mapFsError } from './errors.ts'
import { etagOf, modifiedAt } from './etag.ts'

/** What a walk meets, in order. */
export type Met = { object: ListedObject } | { prefix: string } | { skipped: SkippedEntry }

/** Where a walk goes. Strings are byte strings (see {@link fromBytes}). */
export interface Walk {
  context: Context
  followLinks: boolean
  startAfter: string
  /** Only names in the first folder that begin with this. */
  namePrefix: string
  /** Fold the folders of the first folder into prefixes. */
  fold: boolean
  signal: AbortSignal | undefined
  /** Files whose status is asked for at the same time. */
  batchSize: number
  /** Folders that this adapter removed itself while the listing ran: they are empty, not lost. */
  removed: ReadonlySet<string>
}

interface Frame {
  readonly folder: Folder
  readonly entries: Entry[]
  next: number
}

/**
 * Everything below a folder in byte order of keys. Holds the names of one folder for each level, never the tree.
 *
 * A folder that vanished or cannot be read ends the walk with an error: an end that looks like success would read as "all other
 * objects were deleted". A file that vanished was deleted, and is left out.
 */
export async function* walk(options: Walk, first: Folder): AsyncGenerator<Met> {
  const stack: Frame[] = []
  let files: { entry: Entry; key: string }[] = []

  async function* enter(folder: Folder): AsyncGenerator<Met> {
    const { entries, skipped } = await read(options, folder, stack.length === 0)
    stack.push({ folder, entries, next: 0 })
    for (const entry of skipped) yield { skipped: entry }
  }

  async function* flush(): AsyncGenerator<Met> {
    const batch = files
    files = []
    for (const object of await Promise.all(batch.map(({ entry, key }) => status(options.context, entry, key)))) {
      if (object !== undefined) yield { object }
    }
  }

  yield* enter(first)
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const entry = frame.entries[frame.next]
    if (entry === undefined) {
      stack.pop()
      continue
    }
    frame.next++
    const key = frame.folder.key + entry.name
    // A folder's name sorts below all keys in it: it may be below `startAfter` while some of its keys are above.
    if (key <= options.startAfter && !(entry.isFolder && options.startAfter.startsWith(key))) continue
    if (!entry.isFolder) {
      files.push({ entry, key })
      if (files.length >= options.batchSize) yield* flush()
      continue
    }
    const above = new Set(frame.folder.above).add(frame.folder.real)
    const folder: Folder = { key, real: entry.real, above }
    if (options.fold && stack.length === 1) {
      yield* flush()
      if (await hasObject(options, folder)) yield { prefix: fromBytes(key) }
    } else yield* enter(folder)
  }
  yield* flush()
}

/** An empty folder is no prefix: only objects make one. */
async function hasObject(options: Walk, folder: Folder): Promise<boolean> {
  for await (const met of walk({ ...options, fold: false, namePrefix: '', batchSize: 1 }, folder)) {
    if ('object' in met) return true
  }
  return false
}

async function read(
  options: Walk,
  folder: Folder,
  isFirst: boolean,
): Promise<{ entries: Entry[]; skipped: SkippedEntry[] }> {
  const { context, namePrefix, signal } = options
  if (signal?.aborted) throw new StowageError('aborted', 'The operation was aborted.', { cause: signal.reason })
  const wanted =
    isFirst && namePrefix !== '' ? (name: string): boolean => name.startsWith(namePrefix) : (): boolean => true
  try {
    return await readFolder(context, folder, options.followLinks, wanted)
  } catch (error) {
    if (isMissing(error) && options.removed.has(folder.real)) return { entries: [], skipped: [] }
    const what = `the folder ${JSON.stringify(fromBytes(folder.key))} could not be listed`
    if (errnoOf(error) !== 'ENOENT') throw mapFsError(context.adapter, error, what)
    throw new StowageError('unavailable', `${context.adapter.id}: ${what}: it vanished meanwhile.`, {
      cause: error,
      sourceId: context.adapter.id,
    })
  }
}

async function status(context: Context, entry: Entry, key: string): Promise<ListedObject | undefined> {
  try {
    const found = await context.fs.lstat(entry.real, { bigint: true })
    if (!found.isFile()) return undefined
    return { key: fromBytes(key), size: Number(found.size), etag: etagOf(found), lastModified: modifiedAt(found) }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw mapFsError(context.adapter, error, `${JSON.stringify(fromBytes(key))} could not be listed`)
  }
}
