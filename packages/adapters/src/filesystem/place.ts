import { basename, dirname, resolve } from 'node:path'
import { errnoOf, type FileSystem, StowageError } from '@stowage/core'
import type { Called } from '../shared/index.ts'
import { isMissing, mapFsError } from './errors.ts'
import { workFolder } from './options.ts'

const mostAttempts = 20

/** Where keys lie on the disk. The one place that turns keys into paths, and that keeps every path inside the root. */
export class Place {
  /** The root as it was given, absolute. */
  readonly root: string
  readonly #adapter: Called
  readonly #fs: FileSystem
  readonly #followLinks: boolean
  readonly #create: boolean
  #realRoot: string | undefined

  constructor(adapter: Called, fs: FileSystem, options: { root: string; followLinks: boolean; create: boolean }) {
    this.root = resolve(options.root)
    this.#adapter = adapter
    this.#fs = fs
    this.#followLinks = options.followLinks
    this.#create = options.create
  }

  /** The path of a checked key, as any program of this machine would write it. */
  pathOf(key: string): string {
    return this.root === '/' ? `/${key}` : `${this.root}/${key}`
  }

  /** A path in the work folder. */
  work(...names: string[]): string {
    return this.pathOf([workFolder, ...names].join('/'))
  }

  /** The path of a folder with all links resolved that lie on the way to it, as far as it exists. Ends in `/`. */
  async realFolder(prefix: string): Promise<string> {
    let missing = ''
    for (let path = resolve(this.root, `./${prefix}`); ; path = dirname(path)) {
      try {
        const real = await this.#fs.realpath(path)
        return `${real === '/' ? '' : real}/${missing}`
      } catch (error) {
        if (!isMissing(error) || path === '/') throw mapFsError(this.#adapter, error, 'a folder could not be found')
        missing = `${basename(path)}/${missing}`
      }
    }
  }

  /**
   * The root with all links resolved.
   * @throws StowageError `bucket-not-found` when it does not exist or is no folder
   */
  async realRoot(): Promise<string> {
    if (this.#realRoot !== undefined) return this.#realRoot
    try {
      const real = await this.#fs.realpath(this.root)
      if (!(await this.#fs.stat(real)).isDirectory()) throw this.#noRoot()
      this.#realRoot = real
      return real
    } catch (error) {
      if (isMissing(error)) throw this.#noRoot(error)
      throw mapFsError(this.#adapter, error, `the root ${this.root}`)
    }
  }

  /** Fails with `bucket-not-found` unless the root is there at this moment. Called before something missing is believed. */
  async assertRoot(): Promise<void> {
    this.#realRoot = undefined
    await this.realRoot()
  }

  /** Makes the root when it is missing and may be made. */
  async ensureRoot(): Promise<void> {
    if (this.#create && this.#realRoot === undefined) await this.#fs.mkdir(this.root, { recursive: true })
    await this.realRoot()
  }

  /** Whether a real path may be read or written as an object: inside the root and not in the work folder. */
  isInside(real: string, realRoot: string): boolean {
    if (real === realRoot) return true
    const base = realRoot === '/' ? '/' : `${realRoot}/`
    if (!real.startsWith(base)) return false
    const rest = real.slice(base.length)
    return rest !== workFolder && !rest.startsWith(`${workFolder}/`)
  }

  /**
   * The real path of a key or folder for reading, or `undefined` when nothing is there that may be read: no entry, or a link that
   * leads out of the root.
   */
  async realPathOf(key: string): Promise<string | undefined> {
    const realRoot = await this.realRoot()
    let real: string
    try {
      real = await this.#fs.realpath(this.pathOf(key))
    } catch (error) {
      if (!isMissing(error) && errnoOf(error) !== 'ELOOP') throw error
      await this.assertRoot()
      return undefined
    }
    if (!this.isInside(real, realRoot)) return undefined
    const direct = realRoot === '/' ? `/${key}` : `${realRoot}/${key}`
    return this.#followLinks || real === direct ? real : undefined
  }

  /**
   * Makes the folders of a key and returns the real path of the innermost, safe to write into. Another writer's delete may remove a
   * folder while it is empty: callers try again when the folder is gone by the time they write.
   * @throws StowageError `conflict` when a part of the path is an object, `invalid-key` when a link leads out of the root
   */
  async ensureFolderOf(key: string): Promise<string> {
    const realRoot = await this.realRoot()
    const parts = key.split('/').slice(0, -1)
    // Another writer who makes the same folders, level by level, may win each level.
    for (let attempt = 0; attempt < mostAttempts + parts.length; attempt++) {
      let { depth, real } = await this.#deepest(key, parts)
      if (!this.isInside(real, realRoot)) throw this.#leadsOut(key)
      while (depth < parts.length) {
        real = `${real === '/' ? '' : real}/${parts[depth]}`
        if (!(await this.#makeFolder(key, real))) break
        depth++
      }
      if (depth === parts.length) return real
    }
    throw new StowageError('conflict', `${this.#adapter.id}: the folder of ${JSON.stringify(key)} keeps vanishing.`, {
      key,
    })
  }

  /** The deepest folder of a path that exists, and how many parts of the path it covers. */
  async #deepest(key: string, parts: readonly string[]): Promise<{ depth: number; real: string }> {
    for (let depth = parts.length; depth > 0; depth--) {
      const folder = parts.slice(0, depth).join('/')
      try {
        const real = await this.#fs.realpath(this.pathOf(folder))
        if (!this.#followLinks && real !== `${await this.realRoot()}/${folder}`) throw this.#leadsOut(key)
        return { depth, real }
      } catch (error) {
        if (errnoOf(error) === 'ELOOP') throw this.#leadsOut(key)
        if (!isMissing(error)) throw error
      }
    }
    await this.assertRoot()
    return { depth: 0, real: await this.realRoot() }
  }

  /** Makes one folder. `false` when it was not this call that made it, and its nature must be looked at again. */
  async #makeFolder(key: string, path: string): Promise<boolean> {
    try {
      await this.#fs.mkdir(path)
      return true
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'ENOENT') return false
      if (code === 'ENOTDIR') throw this.objectInTheWay(key, error)
      if (code !== 'EEXIST') throw error
      const status = await this.#fs.lstat(path).catch(() => undefined)
      if (status?.isFile()) throw this.objectInTheWay(key, error)
      if (status?.isSymbolicLink()) throw this.#leadsOut(key)
      return false
    }
  }

  /** The error for a key below an object: a file system cannot hold both. */
  objectInTheWay(key: string, cause: unknown): StowageError {
    return new StowageError(
      'conflict',
      `${this.#adapter.id}: a folder of ${JSON.stringify(key)} is an object already.`,
      {
        key,
        sourceId: this.#adapter.id,
        cause,
        hint: 'A file system cannot hold both "a" and "a/b"; rename one of them.',
      },
    )
  }

  #leadsOut(key: string): StowageError {
    return new StowageError(
      'invalid-key',
      `${this.#adapter.id}: ${JSON.stringify(key)} goes through a symbolic link that leads out of the root.`,
      {
        key,
        sourceId: this.#adapter.id,
      },
    )
  }

  #noRoot(cause?: unknown): StowageError {
    return new StowageError('bucket-not-found', `${this.#adapter.id}: the root ${this.root} is not a folder.`, {
      sourceId: this.#adapter.id,
      field: 'root',
      hint: 'Make the folder, or mount the disk.',
      ...(cause === undefined ? {} : { cause }),
    })
  }
}
