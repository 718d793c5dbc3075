import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type Clock,
  checkRecordKey,
  checkRecordValue,
  compareKeys,
  type StoredRecord,
  StowageError,
  type SyncStore,
  systemClock,
} from '@stowage/core'
import { type Owner, processOwner } from '../state/index.ts'
import { FileLock } from './file-lock.ts'
import { parentOf, recordPath, spelled } from './file-paths.ts'

/** Before the value: one byte of format, and a nonce that is the record's revision. */
const headerBytes = 13
const format = 1

/** Records are shared out over so many locks, so that writers seldom wait for each other. */
const lockCount = 16

/** Files that a crash left half written are removed after so long, in milliseconds. */
const leftoverMs = 60 * 60_000

/**
 * A store in a folder, which several processes of one machine may use at the same time. A record is a file; what was returned from is on
 * the disk. Compare-and-swap is done under a lock that the crash of its holder does not leave behind.
 *
 * @param folder is made when it does not exist
 *
 * @example
 * ```ts
 * const sync = createSync({ store: fileStore('./.stowage/sync') })
 * ```
 */
export function fileStore(folder: string, options: { clock?: Clock; owner?: Owner } = {}): SyncStore {
  return new FileStore(folder, options.clock ?? systemClock, options.owner ?? processOwner)
}

class FileStore implements SyncStore {
  readonly #records: string
  readonly #temporary: string
  readonly #lockFolder: string
  readonly #clock: Clock
  readonly #locks: FileLock[]
  #ready: Promise<void> | undefined

  constructor(folder: string, clock: Clock, owner: Owner) {
    this.#records = join(folder, 'records')
    this.#temporary = join(folder, 'tmp')
    this.#lockFolder = join(folder, 'locks')
    this.#clock = clock
    this.#locks = Array.from({ length: lockCount }, (_, i) => new FileLock(join(this.#lockFolder, `${i}`), owner))
  }

  async now(): Promise<number> {
    return this.#clock.now()
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    checkRecordKey(key)
    return await guarded(key, () => this.#read(key))
  }

  async put(key: string, value: Uint8Array, expected: string | null): Promise<string> {
    checkRecordKey(key)
    checkRecordValue(key, value)
    return await guarded(key, async () => {
      await this.#prepare()
      const nonce = randomBytes(headerBytes - 1)
      const path = recordPath(this.#records, key)
      const temporary = join(this.#temporary, nonce.toString('hex'))
      await writeDurably(temporary, Buffer.concat([Uint8Array.of(format), nonce, value]))
      try {
        await this.#lock(key).run(async (check) => {
          if (((await this.#read(key))?.revision ?? null) !== expected) throw conflict(key)
          const made = await mkdir(dirname(path), { recursive: true })
          check()
          await rename(temporary, path)
          await syncFolder(dirname(path))
          if (made !== undefined) await syncFolder(dirname(made))
        })
      } catch (error) {
        await unlink(temporary).catch(() => undefined)
        throw error
      }
      return nonce.toString('hex')
    })
  }

  async delete(key: string, expected?: string): Promise<void> {
    checkRecordKey(key)
    await guarded(key, async () => {
      await this.#prepare()
      const path = recordPath(this.#records, key)
      await this.#lock(key).run(async (check) => {
        const found = await this.#read(key)
        if (expected !== undefined && found?.revision !== expected) throw conflict(key)
        if (found === undefined) return
        check()
        await unlink(path)
        await syncFolder(dirname(path))
      })
    })
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<string[]> {
    const { after, limit = Number.POSITIVE_INFINITY } = options
    return await guarded(prefix, async () => {
      const keys: string[] = []
      for (const parent of await names(this.#records, true)) {
        const start = parentOf(parent.text)
        if (!start.startsWith(prefix) && !prefix.startsWith(start)) continue
        for (const { text } of await names(parent.path, false)) {
          const key = start + text.slice(1)
          if (key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0)) keys.push(key)
        }
      }
      return keys.sort(compareKeys).slice(0, limit)
    })
  }

  async close(): Promise<void> {}

  #lock(key: string): FileLock {
    const number = (createHash('sha256').update(key).digest()[0] ?? 0) % lockCount
    return this.#locks[number] as FileLock
  }

  async #read(key: string): Promise<StoredRecord | undefined> {
    const bytes = await readFile(recordPath(this.#records, key)).catch(absent)
    if (bytes === undefined) return undefined
    if (bytes.length < headerBytes || bytes[0] !== format) {
      if ((bytes[0] ?? 0) > format)
        throw new StowageError('newer-format', `A newer version wrote the record "${key}".`, { key })
      throw new StowageError('integrity', `The record "${key}" is damaged.`, { key, retryable: false })
    }
    return { value: bytes.subarray(headerBytes), revision: bytes.toString('hex', 1, headerBytes) }
  }

  /** Makes the folders, and removes what a crash left half written long ago. */
  #prepare(): Promise<void> {
    this.#ready ??= (async () => {
      for (const folder of [this.#records, this.#temporary, this.#lockFolder]) await mkdir(folder, { recursive: true })
      for (const folder of [this.#temporary, this.#lockFolder]) {
        for (const path of (await readdir(folder)).map((name) => join(folder, name))) {
          const found = await stat(path).catch(absent)
          if (found !== undefined && Date.now() - found.mtimeMs > leftoverMs) await unlink(path).catch(absent)
        }
      }
    })()
    // A folder that cannot be made now may be made later.
    this.#ready.catch(() => {
      this.#ready = undefined
    })
    return this.#ready
  }
}

/** What a folder spells: names that were too long go on in folders below. */
async function names(folder: string, folders: boolean, before = ''): Promise<{ text: string; path: string }[]> {
  const all: { text: string; path: string }[] = []
  for (const entry of (await readdir(folder, { withFileTypes: true }).catch(absent)) ?? []) {
    const path = join(folder, entry.name)
    const { text, goesOn } = spelled(entry.name)
    if (goesOn) all.push(...(await names(path, folders, before + text)))
    else if (entry.isDirectory() === folders) all.push({ text: before + text, path })
  }
  return all
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes a new or removed name durable. Systems that cannot open a folder keep their names durable by themselves. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EISDIR' && code !== 'EPERM' && code !== 'EINVAL' && code !== 'ENOENT') throw error
  }
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
  throw error
}

function conflict(key: string): StowageError {
  return new StowageError('conflict', `The record "${key}" was changed by somebody else.`, { key })
}

async function guarded<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (StowageError.isInstance(error)) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const known =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'no-space'
        : code === 'EACCES' || code === 'EROFS'
          ? 'access-denied'
          : 'unavailable'
    throw new StowageError(known, `The record "${key}" could not be reached: ${message}`, { key, cause: error })
  }
}
