import { createHash } from 'node:crypto'
import { type Clock, errnoOf, type FileSystem, StowageError } from '@stowage/core'
import { isMissing } from './errors.ts'
import { isOwnerDead, ownerText } from './owner.ts'
import type { Place } from './place.ts'

/** A lock that is older than this is taken for left behind. What is done under a lock takes milliseconds. */
const staleAfterMs = 60_000
const giveUpAfterMs = 90_000
const pauseMs = 5

/**
 * One writer at a time for a key: among the calls of this process always, and with `shared` also among all processes that use Stowage on
 * this root, through a file. A check and the rename that follows it are one step only under such a lock.
 */
export class KeyLocks {
  readonly #fs: FileSystem
  readonly #place: Place
  readonly #clock: Clock
  readonly #newId: () => string
  readonly #tails = new Map<string, Promise<void>>()

  constructor(fs: FileSystem, place: Place, clock: Clock, newId: () => string) {
    this.#fs = fs
    this.#place = place
    this.#clock = clock
    this.#newId = newId
  }

  /** Runs `work` as the only one for this key. */
  async hold<T>(key: string, shared: boolean, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const { promise: done, resolve } = Promise.withResolvers<void>()
    const tail = before.then(() => done)
    this.#tails.set(key, tail)
    await before
    try {
      return shared ? await this.holdFile(key, work) : await work()
    } finally {
      resolve()
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }

  /** Runs `work` under the lock that all processes share. The caller holds the key already in this one. */
  async holdFile<T>(key: string, work: () => Promise<T>): Promise<T> {
    const release = await this.#takeFile(key)
    try {
      return await work()
    } finally {
      await release()
    }
  }

  async #takeFile(key: string): Promise<() => Promise<void>> {
    const name = createHash('sha256').update(key).digest('hex').slice(0, 40)
    const path = this.#place.work('locks', name)
    const mine = ownerText(this.#newId())
    const deadline = this.#clock.now() + giveUpAfterMs
    for (;;) {
      if (await this.#create(path, mine)) return () => this.#release(path, mine)
      if (await this.#clearStale(path)) continue
      if (this.#clock.now() > deadline) {
        throw new StowageError('timeout', `The lock of ${JSON.stringify(key)} is held by another process.`, {
          key,
          hint: `Remove ${path} when no other process writes to this root.`,
        })
      }
      await this.#clock.sleep(pauseMs)
    }
  }

  async #create(path: string, content: string): Promise<boolean> {
    try {
      const handle = await this.#fs.open(path, 'wx')
      try {
        await handle.writeFile(content)
      } finally {
        await handle.close()
      }
      return true
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'EEXIST') return false
      if (code !== 'ENOENT') throw error
      await this.#fs.mkdir(this.#place.work('locks'), { recursive: true })
      return this.#create(path, content)
    }
  }

  async #release(path: string, mine: string): Promise<void> {
    if ((await this.#read(path)) === mine) await this.#fs.unlink(path)
  }

  async #read(path: string): Promise<string | undefined> {
    try {
      return await this.#fs.readFile(path, 'utf8')
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** Moves a lock away whose owner is dead. Returns whether it is worth trying again at once. */
  async #clearStale(path: string): Promise<boolean> {
    const content = await this.#read(path)
    if (content === undefined) return true
    if (!(await this.#isStale(path, content))) return false
    const aside = this.#place.work('tmp', this.#newId())
    try {
      await this.#fs.rename(path, aside)
    } catch (error) {
      if (isMissing(error)) return true
      throw error
    }
    // Between the look and the move somebody else may have cleared it and taken the lock: then theirs goes back.
    if ((await this.#read(aside)) !== content) await this.#fs.link(aside, path).catch(() => undefined)
    await this.#fs.unlink(aside)
    return true
  }

  async #isStale(path: string, content: string): Promise<boolean> {
    if (isOwnerDead(content)) return true
    const status = await this.#fs.lstat(path).catch(() => undefined)
    return status !== undefined && this.#clock.now() - status.mtimeMs > staleAfterMs
  }
}
