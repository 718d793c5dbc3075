import { type FSWatcher, watch as watchFolder } from 'node:fs'
import { errnoOf, type ObjectEvent, StowageError } from '@stowage/core'
import type { EventQueue } from '../shared/index.ts'
import type { Context } from './context.ts'
import { mapFsError } from './errors.ts'
import { etagOf, type FileStatus, modifiedAt } from './etag.ts'
import { workFolder } from './options.ts'

/** Milliseconds without a change after which a file that another program writes is taken for finished. */
const settleMs = 100

/**
 * Watches a tree of folders, one watcher a folder, which the system limits (`fs.inotify.max_user_watches`). What Stowage writes appears by a
 * rename or a link and is told at once; a file that another program writes in place is told when it has been quiet for a moment. The
 * system tells nobody when its own queue overflows.
 */
export class FolderWatch {
  readonly #context: Context
  readonly #queue: EventQueue
  readonly #prefix: string
  readonly #folders = new Map<string, FSWatcher>()
  readonly #settling = new Map<string, NodeJS.Timeout>()
  #work: Promise<void> = Promise.resolve()
  #closed = false

  /** @param prefix only keys that begin with it are told */
  constructor(context: Context, queue: EventQueue, prefix: string) {
    this.#context = context
    this.#queue = queue
    this.#prefix = prefix
  }

  /** Watches the root and all below it; what lies there already is not told. */
  async start(): Promise<void> {
    await this.#context.place.assertRoot()
    await this.#enter('', false)
  }

  close(): void {
    this.#closed = true
    for (const watcher of this.#folders.values()) watcher.close()
    for (const timer of this.#settling.values()) clearTimeout(timer)
  }

  /** @param folder its key with a slash behind, empty for the root @param tells whether the files in it are new */
  async #enter(folder: string, tells: boolean): Promise<void> {
    if (this.#closed || this.#folders.has(folder) || !this.#concerns(folder)) return
    // Watched first, then read: what comes in between is told twice rather than not at all.
    this.#folders.set(folder, this.#watch(folder))
    for (const name of await this.#context.fs.readdir(this.#pathOf(folder))) await this.#look(folder + name, tells)
  }

  #watch(folder: string): FSWatcher {
    const watcher = watchFolder(this.#pathOf(folder), { persistent: true }, (event, name) => {
      if (name === null) this.#queue.gap()
      else if (name === workFolder && folder === '') return
      else if (event === 'change') this.#settle(folder + name)
      else this.#later(() => this.#look(folder + name, true))
    })
    watcher.on('error', (error) => this.#lost(folder, error))
    return watcher
  }

  /** One after the other, so that the order of what happened to a key is kept as far as it can be seen. */
  #later(look: () => Promise<void>): void {
    this.#work = this.#work.then(look).catch((error: unknown) => {
      if (!this.#closed) this.#queue.fail(mapFsError(this.#context.adapter, error, 'the watched folder'))
    })
  }

  /** Looks at what a name is now. */
  async #look(key: string, tells: boolean): Promise<void> {
    if (this.#closed || key === workFolder) return
    const status = await this.#statusOf(key)
    if (status === undefined) return this.#gone(key)
    if (status.isDirectory()) return this.#enter(`${key}/`, tells)
    if (tells && status.isFile()) this.#tell(key, 'created', status)
  }

  async #statusOf(key: string): Promise<(FileStatus & { isFile(): boolean; isDirectory(): boolean }) | undefined> {
    try {
      return await this.#context.fs.lstat(this.#context.place.pathOf(key), { bigint: true })
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
  }

  async #gone(key: string): Promise<void> {
    if (!this.#folders.has(`${key}/`)) return this.#tell(key, 'removed')
    // A folder that was moved away takes its files along without a word of them.
    for (const [folder, watcher] of this.#folders) {
      if (!folder.startsWith(`${key}/`)) continue
      watcher.close()
      this.#folders.delete(folder)
    }
    this.#queue.gap()
  }

  #settle(key: string): void {
    const timer = this.#settling.get(key)
    if (timer !== undefined) timer.refresh()
    else {
      const done = (): void => {
        this.#settling.delete(key)
        this.#later(async () => {
          const status = await this.#statusOf(key)
          if (status?.isFile()) this.#tell(key, 'created', status)
        })
      }
      this.#settling.set(key, setTimeout(done, settleMs))
    }
  }

  #tell(key: string, type: ObjectEvent['type'], status?: FileStatus): void {
    if (!key.startsWith(this.#prefix)) return
    const time = this.#context.clock.now()
    const of = status === undefined ? {} : { size: Number(status.size), etag: etagOf(status) }
    this.#queue.push({ type, key, time: status === undefined ? time : modifiedAt(status), ...of })
  }

  #lost(folder: string, error: unknown): void {
    if (this.#closed) return
    if (folder === '') {
      this.#queue.fail(mapFsError(this.#context.adapter, error, `the root ${this.#context.place.root}`))
    } else this.#queue.gap()
  }

  #pathOf(folder: string): string {
    return folder === '' ? this.#context.place.root : this.#context.place.pathOf(folder.slice(0, -1))
  }

  /** Whether keys with the prefix can lie in a folder. */
  #concerns(folder: string): boolean {
    return folder.startsWith(this.#prefix) || this.#prefix.startsWith(folder)
  }
}

/** The error of a system that watches no more folders. */
export function watchError(context: Context, error: unknown): StowageError {
  const code = errnoOf(error)
  if (code !== 'ENOSPC' && code !== 'EMFILE') return mapFsError(context.adapter, error, 'the folder to watch')
  return new StowageError('unavailable', `${context.adapter.id}: the system watches no more folders.`, {
    sourceId: context.adapter.id,
    cause: error,
    retryable: false,
    hint: code === 'ENOSPC' ? 'Raise fs.inotify.max_user_watches.' : 'Raise fs.inotify.max_user_instances.',
  })
}
