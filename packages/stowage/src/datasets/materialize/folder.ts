import { dirname, join } from 'node:path'
import { errnoOf, type FileSystem, type ManifestEntry, parseFormatted, StowageError } from '@stowage/core'
import { writeWhole } from './cache.ts'
import { Copier } from './copy.ts'
import { hasDigest } from './digest-of.ts'
import { unless } from './file-errors.ts'
import { FORMAT, isOwnName, RECORD, type Recorded, sameContent, TEMPORARY } from './record.ts'
import { isAsLeft, STAMP } from './stamp.ts'

/** Folders that are known to be there, at most. */
const KNOWN_FOLDERS = 100_000
/** The disk, or the pair of disks, makes no hard link. */
const NO_LINKS = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

export interface FolderOptions {
  fs: FileSystem
  newId: () => string
  now: () => number
  link: 'auto' | 'copy'
  verify: boolean
  repair: boolean
  signal: AbortSignal
}

/** How a file got into the folder. */
export type Put = 'hardLinks' | 'copies' | 'present'

/** The folder that a version is made into. Every file appears in it whole, and nothing is touched that was not made here. */
export class TargetFolder {
  readonly root: string
  readonly #options: FolderOptions
  readonly #known = new Set<string>()
  readonly #copier: Copier
  #linkable = true

  private constructor(root: string, options: FolderOptions) {
    this.root = root
    this.#options = options
    this.#copier = new Copier(options.fs)
  }

  /**
   * Makes the folder, or finds it as an earlier run left it.
   * @throws StowageError `conflict` when it holds another version, `unsafe` when it holds what is none
   */
  static async open(root: string, options: FolderOptions, content: Recorded): Promise<TargetFolder> {
    const { fs, newId } = options
    await fs.mkdir(root, { recursive: true })
    const record = join(root, RECORD)
    const folder = new TargetFolder(root, options)
    const there = await unless(fs.readFile(record), 'ENOENT')
    if (there === undefined) {
      const others = (await fs.readdir(root)).filter((name) => !isOwnName(name))
      const raced = others.length > 0 ? await unless(fs.readFile(record), 'ENOENT') : undefined
      if (raced !== undefined) return TargetFolder.open(root, options, content)
      if (others.length > 0) {
        throw new StowageError('unsafe', `${root} is not empty, and no version was made into it.`, {
          field: 'dir',
          hint: 'Name an empty folder, or one that does not exist.',
        })
      }
      await folder.#record({ ...content, complete: false }, newId())
    } else {
      const found = parseFormatted<Recorded & { format: number }>(there, FORMAT, `The record ${record}`)
      if (!sameContent(found, content)) {
        throw new StowageError('conflict', `${root} holds version ${found.version} of dataset "${found.datasetId}".`, {
          field: 'dir',
          hint: 'Name another folder: what the versions share is in the cache already.',
        })
      }
    }
    await folder.#sweep()
    return folder
  }

  /** Whether the disk takes names for the same that differ by case, or by how accents are composed. */
  async ignoresCase(): Promise<boolean> {
    const { fs, newId } = this.#options
    const probe = join(this.root, `${TEMPORARY}${newId()}-\u00c9`)
    await (await fs.open(probe, 'wx')).close()
    try {
      const others = [probe.replace('\u00c9', '\u00e9'), probe.replace('\u00c9', 'E\u0301')]
      for (const other of others) if ((await unless(fs.lstat(other), 'ENOENT')) !== undefined) return true
      return false
    } finally {
      await unless(fs.unlink(probe), 'ENOENT')
    }
  }

  /** Notes that all files are there. */
  finish(content: Recorded): Promise<void> {
    return this.#record({ ...content, complete: true }, this.#options.newId())
  }

  pathOf({ path }: Pick<ManifestEntry, 'path'>): string {
    return join(this.root, path)
  }

  /**
   * Whether a file is there, and right. What lies beyond a link in place of a folder is not looked at, and nothing is replaced there.
   * @throws StowageError `conflict` when something else has its name, or that of a folder above it
   */
  async has(entry: ManifestEntry): Promise<boolean> {
    const { fs, verify, signal } = this.#options
    if (!(await this.#hasParents(entry))) return false
    const path = this.pathOf(entry)
    const found = await unless(fs.lstat(path), 'ENOENT', 'ENOTDIR')
    if (found === undefined) return false
    if (found.isFile() && found.size === entry.size) {
      if (!verify && isAsLeft(found, entry)) return true
      if (await hasDigest(fs, path, entry, signal)) return true
    }
    await this.#replaceable(entry, found)
    return false
  }

  /** Puts a file of the cache into the folder. Fails with `ENOENT` when the cache has it no more. */
  async put(entry: ManifestEntry, cached: string): Promise<Put | 'wrong'> {
    await this.#makeParents(entry)
    if (this.#options.link === 'auto' && this.#linkable) {
      const done = await this.#link(entry, cached)
      if (done !== undefined) return done
    }
    return this.#copy(entry, cached)
  }

  /** Makes a symbolic link to a file elsewhere. */
  async linkTo(entry: ManifestEntry, target: string): Promise<'symbolicLinks' | 'present'> {
    const { fs } = this.#options
    await this.#makeParents(entry)
    const path = this.pathOf(entry)
    for (;;) {
      try {
        await fs.symlink(target, path)
        return 'symbolicLinks'
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error
      }
      const found = await unless(fs.lstat(path), 'ENOENT')
      if (found === undefined) continue
      if (found.isSymbolicLink() && (await unless(fs.readlink(path), 'ENOENT', 'EINVAL')) === target) return 'present'
      if (found.isFile() && (await this.has(entry))) return 'present'
      if (!found.isFile()) await this.#replaceable(entry, found)
    }
  }

  async #link(entry: ManifestEntry, cached: string): Promise<Put | undefined> {
    const path = this.pathOf(entry)
    for (;;) {
      try {
        await this.#options.fs.link(cached, path)
        return 'hardLinks'
      } catch (error) {
        const errno = errnoOf(error) ?? ''
        if (errno === 'EEXIST') {
          if (await this.has(entry)) return 'present'
          continue
        }
        if (errno === 'EMLINK') return undefined
        if (!NO_LINKS.has(errno)) throw error
        this.#linkable = false
        return undefined
      }
    }
  }

  /** A copy, first under another name. */
  async #copy(entry: ManifestEntry, cached: string): Promise<Put | 'wrong'> {
    const { fs, link, newId, now, signal } = this.#options
    const temporary = join(this.root, `${TEMPORARY}${newId()}`)
    try {
      if (!(await this.#copier.copy(entry, cached, temporary, signal))) return 'wrong'
      await fs.chmod(temporary, link === 'copy' ? 0o644 : 0o444)
      await fs.utimes(temporary, now() / 1000, STAMP)
      return (await this.#name(entry, temporary)) ? 'copies' : 'present'
    } finally {
      await unless(fs.unlink(temporary), 'ENOENT')
    }
  }

  /** Gives a finished file its name, unless a right one has it. A rename would replace what another put there. */
  async #name(entry: ManifestEntry, temporary: string): Promise<boolean> {
    const { fs } = this.#options
    const path = this.pathOf(entry)
    for (;;) {
      try {
        await fs.link(temporary, path)
        return true
      } catch (error) {
        const errno = errnoOf(error) ?? ''
        if (errno === 'EEXIST') {
          if (await this.has(entry)) return false
          continue
        }
        if (!NO_LINKS.has(errno)) throw error
      }
      if (await this.has(entry)) return false
      await fs.rename(temporary, path)
      return true
    }
  }

  /** Makes the folders above a file. None of them may be a link: it could lead anywhere. */
  async #makeParents({ path }: ManifestEntry): Promise<void> {
    const { fs } = this.#options
    for (const at of this.#unknownParents(path)) {
      const folder = join(this.root, at)
      const made = await unless(
        fs.mkdir(folder).then(() => true),
        'EEXIST',
      )
      if (made === undefined) assertFolder(await fs.lstat(folder), folder, path)
      this.#know(at)
    }
  }

  /** Whether the folders above a file are there, and are folders. */
  async #hasParents({ path }: ManifestEntry): Promise<boolean> {
    for (const at of this.#unknownParents(path)) {
      const folder = join(this.root, at)
      const found = await unless(this.#options.fs.lstat(folder), 'ENOENT')
      if (found === undefined) return false
      assertFolder(found, folder, path)
      this.#know(at)
    }
    return true
  }

  /** The folders above a file that were not looked at yet, from the top. */
  *#unknownParents(path: string): Generator<string> {
    const parent = dirname(path)
    if (parent === '.' || this.#known.has(parent)) return
    let at = ''
    for (const part of parent.split('/')) {
      at = at === '' ? part : `${at}/${part}`
      if (!this.#known.has(at)) yield at
    }
  }

  #know(folder: string): void {
    if (this.#known.size >= KNOWN_FOLDERS) this.#known.clear()
    this.#known.add(folder)
  }

  /** Takes what has the name of a file out of the way, where that is asked for and it is a file or a link. */
  async #replaceable(entry: ManifestEntry, found: { isFile(): boolean; isSymbolicLink(): boolean }): Promise<void> {
    const { fs, repair } = this.#options
    const path = this.pathOf(entry)
    if (repair && (found.isFile() || found.isSymbolicLink())) {
      await unless(fs.unlink(path), 'ENOENT')
      return
    }
    throw new StowageError('conflict', `${path} is there and is not as the version has it.`, {
      key: entry.path,
      hint: 'Remove it, or run it again with repair.',
    })
  }

  #record(content: Recorded & { complete: boolean }, id: string): Promise<void> {
    const { fs } = this.#options
    const text = `${JSON.stringify({ format: FORMAT, ...content })}\n`
    return writeWhole(fs, join(this.root, RECORD), join(this.root, `${TEMPORARY}${id}`), text)
  }

  /** Removes temporary files of runs that died. */
  async #sweep(): Promise<void> {
    const { fs, now } = this.#options
    for (const name of await fs.readdir(this.root)) {
      if (!name.startsWith(TEMPORARY)) continue
      const path = join(this.root, name)
      const found = await unless(fs.lstat(path), 'ENOENT')
      if (found?.isFile() && now() - found.ctimeMs > 3_600_000) await unless(fs.unlink(path), 'ENOENT')
    }
  }
}

function assertFolder(found: { isDirectory(): boolean }, folder: string, path: string): void {
  if (found.isDirectory()) return
  throw new StowageError('conflict', `${folder} is no folder, and "${path}" lies below it.`, {
    key: path,
    hint: 'Remove it and run it again.',
  })
}
