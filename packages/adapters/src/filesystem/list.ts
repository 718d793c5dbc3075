import { type ListOptions, type ListPage, StowageError } from '@stowage/core'
import { canBePrefix } from '../shared/index.ts'
import type { Context } from './context.ts'
import { type Folder, toBytes } from './entries.ts'
import { mapFsError } from './errors.ts'
import { walk } from './walk.ts'

/** Files whose status is asked for at the same time, at most. */
const mostStatus = 64

/**
 * Folders removed by this adapter while listings run, so that a listing tells a folder that was emptied through this adapter from one
 * that got lost. Kept only as long as a listing runs.
 */
export class RemovedFolders {
  #listings = 0
  readonly #paths = new Set<string>()

  get paths(): ReadonlySet<string> {
    return this.#paths
  }

  begin(): void {
    this.#listings++
  }

  end(): void {
    this.#listings--
    if (this.#listings === 0) this.#paths.clear()
  }

  /** Runs the removal of a folder. It is written down before, so that no listing meets the gap, and taken back when it fails. */
  async while(path: string, fs: Context['fs'], remove: () => Promise<void>): Promise<void> {
    if (this.#listings === 0) return remove()
    const real = await fs.realpath(path)
    this.#paths.add(real)
    try {
      await remove()
    } catch (error) {
      this.#paths.delete(real)
      throw error
    }
  }
}

/** The pages of a listing. */
export async function* listPages(
  context: Context,
  removed: RemovedFolders,
  followLinks: boolean,
  options: ListOptions,
  pageSize: number,
): AsyncGenerator<ListPage> {
  removed.begin()
  try {
    const root = await rootIdentity(context)
    const first = await firstFolder(context, options.prefix ?? '', root.real)
    if (first !== undefined) {
      const steps = walk(
        {
          context,
          followLinks,
          startAfter: toBytes(options.startAfter ?? ''),
          namePrefix: toBytes(first.namePrefix),
          fold: options.delimiter !== undefined,
          signal: options.signal,
          batchSize: Math.min(mostStatus, pageSize),
          removed: removed.paths,
        },
        first.folder,
      )
      let page: ListPage = { objects: [], prefixes: [] }
      for await (const met of steps) {
        if ('skipped' in met) {
          page.skipped ??= []
          page.skipped.push(met.skipped)
          continue
        }
        if ('object' in met) page.objects.push(met.object)
        else page.prefixes.push(met.prefix)
        if (page.objects.length + page.prefixes.length >= pageSize) {
          yield page
          page = { objects: [], prefixes: [] }
        }
      }
      if (page.objects.length + page.prefixes.length > 0 || page.skipped !== undefined) yield page
    }
    const now = await rootIdentity(context)
    if (now.identity !== root.identity) {
      throw new StowageError('unavailable', `${context.adapter.id}: the root was replaced while it was listed.`, {
        sourceId: context.adapter.id,
        hint: 'Was a disk mounted or unmounted?',
      })
    }
  } catch (error) {
    throw mapFsError(context.adapter, error, 'the listing failed')
  } finally {
    removed.end()
  }
}

/** Which folder the root is at this moment: a disk that is unmounted leaves an empty one of the same name. */
async function rootIdentity(context: Context): Promise<{ real: string; identity: string }> {
  await context.place.assertRoot()
  const real = await context.place.realRoot()
  const status = await context.fs.stat(real, { bigint: true })
  // Numbers of folders are given again soon; the time of birth tells the two apart where the disk knows it.
  return { real, identity: `${status.dev} ${status.ino} ${status.birthtimeNs}` }
}

/** The folder that a prefix begins in and what names in it begin with; `undefined` when no key can have the prefix. */
async function firstFolder(
  context: Context,
  prefix: string,
  realRoot: string,
): Promise<{ folder: Folder; namePrefix: string } | undefined> {
  const cut = prefix.lastIndexOf('/') + 1
  const key = prefix.slice(0, cut)
  const namePrefix = prefix.slice(cut)
  if (key === '') return { folder: { key, real: realRoot, above: new Set() }, namePrefix }
  if (!canBePrefix(context.adapter, prefix)) return undefined
  const real = await context.place.realPathOf(key.slice(0, -1))
  if (real === undefined) return undefined
  if (!(await context.fs.stat(real)).isDirectory()) return undefined
  return { folder: { key: toBytes(key), real, above: realParents(real, realRoot) }, namePrefix }
}

/** The folders between the root and a real path, the root included. */
function realParents(real: string, realRoot: string): Set<string> {
  const above = new Set([realRoot])
  for (let at = real.lastIndexOf('/'); at > realRoot.length; at = real.lastIndexOf('/', at - 1))
    above.add(real.slice(0, at))
  if (real === realRoot) above.clear()
  return above
}
