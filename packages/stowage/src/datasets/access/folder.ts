import { throwIfAborted } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { damageName, type VersionPlace } from '../read/index.ts'
import type { AccessAnswer, FolderAccess, FolderAccessOptions } from './options.ts'
import { fromEach, keep, mountOf, noneGives } from './places.ts'

/**
 * Folders on a node in which a version lies as it is: all its files below one folder, under their own paths. A version that was made of
 * several uploads is spread over as many folders, and `materialize` makes one of them.
 */
export async function accessFolder(
  context: Context,
  place: VersionPlace,
  { node, signal }: FolderAccessOptions,
): Promise<FolderAccess> {
  const name = `Version ${place.version.number}`
  const without: AccessAnswer['without'] = []
  const mounts = await fromEach(place.replicas, without, async (replica) => {
    const mountPath = await mountOf(context, replica, node)
    await keep(context, replica)
    return { replica, mountPath }
  })
  if (mounts.length === 0) throw noneGives(`No source that holds ${name.toLowerCase()} is mounted.`, without)
  const folder = await folderOf(place, signal)
  const alternatives: FolderAccess['alternatives'] = []
  for (const { replica, mountPath } of mounts) {
    const { sourceId, path } = replica
    if (folder === undefined) {
      without.push({ sourceId, reason: 'this version is spread over several folders; materialize it' })
    } else if (isDamaged(place, sourceId, path + folder)) {
      without.push({ sourceId, reason: 'some of its files are damaged there' })
    } else {
      alternatives.push({ sourceId, mountPath: mountPath + folder })
    }
  }
  if (alternatives.length === 0) throw noneGives(`${name} lies as it is in no folder that is mounted.`, without)
  return { version: place.version.number, alternatives, without, decision: place.decision }
}

/** The folder below a replica's path in which every file lies under its own path, if there is one. Ends in `/`. */
async function folderOf(place: VersionPlace, signal: AbortSignal | undefined): Promise<string | undefined> {
  let folder: string | undefined
  for await (const { key, path } of place.manifest.entries()) {
    throwIfAborted(signal)
    if (!key.endsWith(`/${path}`)) return undefined
    const found = key.slice(0, -path.length)
    folder ??= found
    if (found !== folder) return undefined
  }
  return folder
}

function isDamaged({ damaged }: VersionPlace, sourceId: string, folder: string): boolean {
  const below = damageName(sourceId, folder)
  for (const name of damaged) if (name.startsWith(below)) return true
  return false
}
