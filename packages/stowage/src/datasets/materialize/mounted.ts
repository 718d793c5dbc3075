import { type FileSystem, hasCode, type ManifestEntry } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { keep, mountOf } from '../access/index.ts'
import { damageName, type VersionPlace } from '../read/index.ts'
import { hasDigest } from './digest-of.ts'
import { unless } from './file-errors.ts'

/** The replicas of a version that are mounted here, best first. */
export class MountedReplicas {
  readonly #fs: FileSystem
  readonly #place: VersionPlace
  readonly #mounts: readonly { sourceId: string; path: string; mount: string }[]

  private constructor(
    fs: FileSystem,
    place: VersionPlace,
    mounts: { sourceId: string; path: string; mount: string }[],
  ) {
    this.#fs = fs
    this.#place = place
    this.#mounts = mounts
  }

  static async of(
    context: Context,
    fs: FileSystem,
    place: VersionPlace,
    node: string | undefined,
  ): Promise<MountedReplicas> {
    const mounts: { sourceId: string; path: string; mount: string }[] = []
    for (const replica of place.replicas) {
      const { sourceId, path } = replica
      try {
        const mount = await mountOf(context, { sourceId, path }, node)
        await keep(context, replica)
        mounts.push({ sourceId, path, mount })
      } catch (error) {
        // It is not mounted, or on its way out.
        if (!hasCode(error, 'not-supported', 'not-found')) throw error
      }
    }
    return new MountedReplicas(fs, place, mounts)
  }

  /** Where a file lies, in the first replica that has it in its length, and with `verify` in its bytes. */
  async find(entry: ManifestEntry, verify: boolean, signal: AbortSignal): Promise<string | undefined> {
    for (const { sourceId, path, mount } of this.#mounts) {
      if (this.#place.damaged.has(damageName(sourceId, path + entry.key))) continue
      const file = mount + entry.key
      // A file, and no folder: below a link to a folder, others would be written into the replica.
      const found = await unless(this.#fs.stat(file), 'ENOENT', 'ENOTDIR', 'EIO', 'EACCES', 'ESTALE', 'ENOTCONN')
      if (!found?.isFile() || found.size !== entry.size) continue
      if (!verify || (await unless(hasDigest(this.#fs, file, entry, signal), 'ENOENT', 'EIO', 'EACCES'))) return file
    }
    return undefined
  }
}
