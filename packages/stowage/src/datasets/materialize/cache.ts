import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, type FileSystem, type ManifestEntry, parseFormatted, StowageError } from '@stowage/core'
import { hasDigest } from './digest-of.ts'
import { unless } from './file-errors.ts'
import { isAsLeft, STAMP } from './stamp.ts'

/** What makes a folder a cache, and says in which form. */
const MARKER = 'stowage-cache.json'
const FORMAT = 1
/** A file's last use is noted when the note is older than this. */
const NOTE_AFTER_MS = 3_600_000
const GIVEN_UP_MS = 7 * 24 * 3_600_000

/** What names the bytes of a file. */
export type Content = Pick<ManifestEntry, 'digest' | 'size'>

/**
 * Files by their content, each once: `objects/ab/<digest>.<size>`, read-only. The size is part of the name, since a digest of blocks is the
 * plain digest of another, short file. Any number of processes share the folder and need no lock: what has a name there has its bytes, because
 * it gets the name when they were written and found right. There is no index: the time of change tells whether a file was touched, the time of
 * access when it was used last.
 */
export class FileCache {
  readonly root: string
  readonly #fs: FileSystem
  readonly #now: () => number
  readonly #newId: () => string

  private constructor(root: string, fs: FileSystem, now: () => number, newId: () => string) {
    this.root = root
    this.#fs = fs
    this.#now = now
    this.#newId = newId
  }

  /** @throws StowageError `unsafe` for a folder that holds something else, `newer-format` for the cache of a newer version */
  static async open(root: string, fs: FileSystem, now: () => number, newId: () => string): Promise<FileCache> {
    const marker = join(root, MARKER)
    const there = await unless(fs.readFile(marker), 'ENOENT')
    if (there !== undefined) {
      parseFormatted(there, FORMAT, `The marker ${marker}`)
    } else {
      await fs.mkdir(root, { recursive: true })
      const others = (await fs.readdir(root)).filter((name) => !name.startsWith(MARKER))
      // Another process may have made it a cache since the marker was looked for.
      if (others.length > 0 && (await unless(fs.readFile(marker), 'ENOENT')) === undefined) {
        throw new StowageError('unsafe', `${root} is not empty and is no cache of Stowage.`, {
          field: 'cacheDir',
          hint: 'Name an empty folder, or one that does not exist.',
        })
      }
      await writeWhole(fs, marker, `${marker}.${newId()}`, JSON.stringify({ format: FORMAT }))
    }
    return new FileCache(root, fs, now, newId)
  }

  /** Where a content lies, if it is there. */
  pathOf(content: Content): string {
    return join(this.root, 'objects', content.digest.slice(0, 2), nameOf(content))
  }

  /** Where a content is written until it is whole. */
  partialOf(content: Content): string {
    return join(this.root, 'partial', nameOf(content))
  }

  /**
   * Whether a content is there, and right. A file that was touched is read; one that is wrong is dropped.
   * @param verify read it in any case
   */
  async has(content: Content, verify: boolean, signal: AbortSignal | undefined): Promise<boolean> {
    const path = this.pathOf(content)
    const found = await unless(this.#fs.lstat(path), 'ENOENT')
    if (found === undefined) return false
    try {
      const isRight = found.isFile() && isAsLeft(found, content) && !verify
      if (!isRight && !(found.isFile() && (await hasDigest(this.#fs, path, content, signal)))) {
        await unless(this.#fs.unlink(path), 'ENOENT')
        return false
      }
      const now = this.#now()
      if (!isAsLeft(found, content) || now - found.atimeMs > NOTE_AFTER_MS) {
        // Who may only read the cache leaves no note.
        await unless(this.#fs.utimes(path, now / 1000, STAMP), 'EPERM', 'EACCES', 'EROFS')
      }
      return true
    } catch (error) {
      // Evicted while it was looked at.
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    }
  }

  /**
   * Gives the partial file that `handle` wrote its name: its bytes are whole and right. Another process may have taken it up, kept it, and a
   * third begun anew meanwhile, so it is moved to a name that nobody else uses and looked at there.
   * @returns whether it was kept; otherwise another process has kept the same bytes, or is at work on them
   */
  async keep(content: Content, handle: FileHandle): Promise<boolean> {
    const fs = this.#fs
    const partial = this.partialOf(content)
    const own = `${partial}.${this.#newId()}`
    if (
      (await unless(
        fs.rename(partial, own).then(() => true),
        'ENOENT',
      )) === undefined
    )
      return false
    const { ino } = await fs.lstat(own, { bigint: true })
    const path = this.pathOf(content)
    if (ino !== (await handle.stat({ bigint: true })).ino) {
      // Whoever is at work on it needs it no more when the content is kept.
      if ((await unless(fs.lstat(path), 'ENOENT')) !== undefined) await fs.unlink(own)
      else await fs.rename(own, partial)
      return false
    }
    await handle.chmod(0o444)
    await handle.utimes(this.#now() / 1000, STAMP)
    try {
      await fs.rename(own, path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      await fs.mkdir(join(path, '..'), { recursive: true })
      if (
        (await unless(
          fs.rename(own, path).then(() => true),
          'ENOENT',
        )) === undefined
      )
        return false
    }
    return true
  }

  /**
   * Tidies the partial files that nobody has written to for so long: those of what is kept already go, and so do those that nobody has gone on
   * with for a week. Where a process died while it kept one, it gets back the name under which it is gone on with.
   */
  async recover(busyMs: number): Promise<void> {
    const fs = this.#fs
    const folder = join(this.root, 'partial')
    for (const name of (await unless(fs.readdir(folder), 'ENOENT')) ?? []) {
      const [digest = '', size = '', owner] = name.split('.')
      const path = join(folder, name)
      const there = await unless(fs.lstat(path), 'ENOENT')
      const age = Math.abs(this.#now() - (there?.ctimeMs ?? Number.NaN))
      if (!/^[0-9a-f]{64}$/.test(digest) || !(age >= busyMs)) continue
      const content = { digest, size: Number(size) }
      const isKept = (await unless(fs.lstat(this.pathOf(content)), 'ENOENT')) !== undefined
      if (owner === undefined && !isKept && age < GIVEN_UP_MS) continue
      if (owner !== undefined && !isKept) {
        await unless(fs.link(path, this.partialOf(content)), 'EEXIST', 'ENOENT', 'EPERM')
      }
      await unless(fs.unlink(path), 'ENOENT')
    }
  }

  /** Drops a content that was found wrong. */
  async drop(content: Content): Promise<void> {
    await unless(this.#fs.unlink(this.pathOf(content)), 'ENOENT')
  }
}

function nameOf({ digest, size }: Content): string {
  return `${digest}.${size}`
}

/** Writes a small file so that it is there whole or not at all. */
export async function writeWhole(fs: FileSystem, path: string, temporary: string, text: string): Promise<void> {
  try {
    const handle = await fs.open(temporary, 'wx')
    try {
      await handle.writeFile(text)
    } finally {
      await handle.close()
    }
    await fs.rename(temporary, path)
  } catch (error) {
    await unless(fs.unlink(temporary), 'ENOENT').catch(() => undefined)
    throw error
  }
}
