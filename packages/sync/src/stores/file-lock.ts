import { randomBytes } from 'node:crypto'
import { link, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { StowageError } from '@stowage/core'
import type { Owner, ProcessIdentity } from '../state/index.ts'

/** A lock is held for one write. One that is older than this, in milliseconds, belongs to a process that is gone, wherever it ran. */
const abandonedMs = 60_000

/** A holder that was held up for longer than this, in milliseconds, must not write any more. */
const patienceMs = 20_000

/** How long to wait for a lock, in milliseconds. */
const waitMs = 90_000

interface Held {
  nonce: string
  owner: ProcessIdentity
}

/**
 * A lock between processes, as a file that names its holder. Made by linking a finished file to its name, which only one can do. The lock of
 * a dead process is taken over: whoever first makes the claim on that very lock (by its nonce), and still finds it in place, replaces
 * it; so two that saw the same dead holder cannot both come to hold it, and one that comes late finds another lock and leaves it.
 */
export class FileLock {
  readonly #path: string
  readonly #owner: Owner
  #queue: Promise<unknown> = Promise.resolve()

  constructor(path: string, owner: Owner) {
    this.#path = path
    this.#owner = owner
  }

  /**
   * Does something while holding the lock, one call after the other. `check` throws when the lock was held for too long to be sure of it.
   * @throws StowageError `unavailable` when the lock cannot be had
   */
  run<T>(work: (check: () => void) => Promise<T>): Promise<T> {
    const next = this.#queue.then(() => this.#run(work))
    this.#queue = next.catch(() => undefined)
    return next
  }

  async #run<T>(work: (check: () => void) => Promise<T>): Promise<T> {
    const nonce = randomBytes(9).toString('hex')
    const mine = `${this.#path}.${nonce}`
    await writeFile(mine, JSON.stringify({ nonce, owner: this.#owner.identity } satisfies Held))
    try {
      await this.#take(mine)
    } finally {
      await unlink(mine).catch(() => undefined)
    }
    const since = performance.now()
    const check = (): void => {
      if (performance.now() - since > patienceMs)
        throw new StowageError('unavailable', 'A record was locked for too long.')
    }
    try {
      return await work(check)
    } finally {
      // Taken over meanwhile, it is another's to remove.
      if ((await this.#holder(this.#path))?.nonce === nonce) await unlink(this.#path).catch(() => undefined)
    }
  }

  async #take(mine: string): Promise<void> {
    const began = performance.now()
    for (let tries = 0; ; tries++) {
      // Its age is that of the lock once it is one, and must not count the time spent waiting: an old one looks abandoned.
      const now = new Date()
      await utimes(mine, now, now)
      if (await linked(mine, this.#path)) return
      const holder = await this.#holder(this.#path)
      if (
        holder !== undefined &&
        (await this.#isGone(this.#path, holder)) &&
        (await this.#takeOver(this.#path, mine, holder))
      )
        return
      if (performance.now() - began > waitMs)
        throw new StowageError('unavailable', `The lock "${this.#path}" is not given back.`)
      await sleep(Math.min(50, 2 + tries) * (0.5 + Math.random()))
    }
  }

  /** Replaces the lock, or the claim, of a dead process. */
  async #takeOver(path: string, mine: string, dead: Held): Promise<boolean> {
    const claim = `${this.#path}.claim-${dead.nonce}`
    if (!(await linked(mine, claim))) {
      // Who claimed it may have died, too, before replacing it: then its claim is taken over in the same way.
      const claimant = await this.#holder(claim)
      if (claimant === undefined || !(await this.#isGone(claim, claimant))) return false
      if (!(await this.#takeOver(claim, mine, claimant))) return false
    }
    try {
      if ((await this.#holder(path))?.nonce !== dead.nonce) return false
      const copy = `${mine}.copy`
      await link(mine, copy)
      await rename(copy, path)
      return true
    } finally {
      await unlink(claim).catch(() => undefined)
    }
  }

  async #holder(path: string): Promise<Held | undefined> {
    try {
      return JSON.parse(await readFile(path, 'utf8')) as Held
    } catch {
      return undefined
    }
  }

  async #isGone(path: string, { owner }: Held): Promise<boolean> {
    if (this.#owner.isDead(owner)) return true
    const found = await stat(path).catch(() => undefined)
    return found !== undefined && Date.now() - found.mtimeMs > abandonedMs
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
