import { StowageError } from '@stowage/core'
import type { Context } from './context.ts'
import { isMissing } from './errors.ts'
import { openTemporary } from './stage.ts'

type NamesGuard = Context['names']

/** Folders that were looked at, kept so that they are not read for each of their files. */
const mostKnown = 10_000

/**
 * Keeps apart keys that the disk would not. On a disk that ignores case or normalises Unicode (macOS, Windows shares), `A` and `a` are
 * one file: a write to the one would silently replace the other.
 */
export class Names implements NamesGuard {
  readonly #context: Omit<Context, 'names'>
  readonly #known = new Set<string>()
  #folds: Promise<boolean> | undefined

  constructor(context: Omit<Context, 'names'>) {
    this.#context = context
  }

  /**
   * The same text for all keys that any disk takes for one. Who holds the lock of it holds them all.
   */
  static folded(key: string): string {
    return key.normalize('NFC').toLowerCase()
  }

  /** @throws StowageError `conflict` when a file or folder of another spelling is in the way */
  async assertSame(key: string): Promise<void> {
    const other = await this.#otherSpelling(key)
    if (other === undefined) return
    const { id } = this.#context.adapter
    throw new StowageError(
      'conflict',
      `${id}: to this disk ${JSON.stringify(key)} is the same name as ${JSON.stringify(other)}.`,
      {
        key,
        sourceId: id,
        hint: 'The disk ignores case or normalises Unicode; rename one of them.',
      },
    )
  }

  /** Whether what the disk finds under a key has that name, and not only one that the disk takes for it. */
  async isSame(key: string): Promise<boolean> {
    return (await this.#otherSpelling(key)) === undefined
  }

  async #otherSpelling(key: string): Promise<string | undefined> {
    if (!(await this.#isFolding())) return undefined
    const { fs, place } = this.#context
    const parts = key.split('/')
    for (const [i, part] of parts.entries()) {
      const path = parts.slice(0, i + 1).join('/')
      if (this.#known.has(path)) continue
      try {
        await fs.lstat(place.pathOf(path))
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
      const folder = parts.slice(0, i).join('/')
      const names = await fs.readdir(i === 0 ? place.root : place.pathOf(folder))
      if (!names.includes(part)) {
        const other = names.find((name) => Names.folded(name) === Names.folded(part)) ?? part
        return folder === '' ? other : `${folder}/${other}`
      }
      if (i < parts.length - 1 && this.#known.size < mostKnown) this.#known.add(path)
    }
    return undefined
  }

  #isFolding(): Promise<boolean> {
    this.#folds ??= this.#probe().catch((error: unknown) => {
      this.#folds = undefined
      throw error
    })
    return this.#folds
  }

  /** Makes a file and looks for it by another case and another normal form. */
  async #probe(): Promise<boolean> {
    const { fs, place, newId } = this.#context
    const id = newId()
    const { handle, path } = await openTemporary(this.#context, `${id}-Case-\u00e9`)
    try {
      await handle.close()
      for (const spelling of [`${id}-case-\u00e9`, `${id}-Case-e\u0301`]) {
        const isThere = await fs.lstat(place.work('tmp', spelling)).then(
          () => true,
          () => false,
        )
        if (isThere) return true
      }
      return false
    } finally {
      await fs.unlink(path)
    }
  }
}
