import { checkKey, portablePathRules } from '@stowage/core'

/** Names of one folder that are remembered to find collisions of case, at most; a larger folder is not checked beyond this. */
const MAX_NAMES = 1_000_000

/**
 * Checks that paths are portable, as they come in UTF-8 byte order: allowed on every store, no file that is also a folder,
 * and which of them differ only by case or by composition of accents.
 */
export class PathGuard {
  /** Files that the current path begins with, shortest first: those it could lie below. */
  #files: string[] = []
  /** Folded names by folder, for the folders of the current path. */
  #folders: { name: string; names: Map<string, string> }[] = [{ name: '', names: new Map() }]

  /** Why this path cannot be kept, or `undefined`. */
  problem(path: string): string | undefined {
    const reason = checkKey(path, portablePathRules)
    if (reason !== undefined) return reason
    this.#files = this.#files.filter((file) => path.startsWith(file))
    const folder = this.#files.find((file) => path[file.length] === '/')
    if (folder !== undefined) return `lies below "${folder}", which is a file`
    this.#files.push(path)
    return undefined
  }

  /** The earlier name that this path's name (or one of its folders) collides with on a case-insensitive disk, or `undefined`. */
  collision(path: string): string | undefined {
    const parts = path.split('/')
    let depth = 0
    let found: string | undefined
    for (const [i, part] of parts.entries()) {
      const level = this.#folders[depth]
      if (level === undefined) break
      const folded = part.normalize('NFC').toLowerCase()
      const full = parts.slice(0, i + 1).join('/')
      const earlier = level.names.get(folded)
      if (earlier !== undefined && earlier !== full) found ??= earlier
      else if (level.names.size < MAX_NAMES) level.names.set(folded, full)
      if (i === parts.length - 1) break
      depth++
      if (this.#folders[depth]?.name !== full) {
        this.#folders.length = depth
        this.#folders.push({ name: full, names: new Map() })
      }
    }
    return found
  }
}
