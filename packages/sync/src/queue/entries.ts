import { decodeRecord, encodeRecord, hasCode, type RecordWrite, StowageError } from '@stowage/core'
import { deleteRecord, type Records, readRecord, writeRecord, writeTogether } from '../state/index.ts'
import { entryKey, keyRecord, keysOf, type QueueEntry } from './entry.ts'

/** An entry and the revision of its record. */
export interface Found {
  entry: QueueEntry
  revision: string
}

/** The queue's records. What is changed here survives a crash at any call: see {@link Entries.move}. */
export class Entries {
  readonly records: Records

  constructor(records: Records) {
    this.records = records
  }

  async read(id: string, signal: AbortSignal): Promise<Found | undefined> {
    const key = entryKey(id)
    const found = await readRecord(this.records, key, signal)
    if (found === undefined) return undefined
    return { entry: decodeRecord<QueueEntry>(key, found.value), revision: found.revision }
  }

  /** Writes an entry if its record is still as it was (`null`: absent). @returns undefined when somebody else was first */
  async write(entry: QueueEntry, expected: string | null, signal: AbortSignal): Promise<Found | undefined> {
    const fresh = this.#fresh(entry)
    try {
      const revision = await writeRecord(this.records, entryKey(entry.id), encodeRecord(fresh), expected, signal)
      return { entry: fresh, revision }
    } catch (error) {
      if (hasCode(error, 'conflict')) return undefined
      throw error
    }
  }

  /** Makes an entry that nobody has yet, and the key that it is found under. */
  async add(entry: QueueEntry, signal: AbortSignal): Promise<Found | undefined> {
    const written = await this.write(entry, null, signal)
    if (written !== undefined) await this.index(written.entry, signal)
    return written
  }

  /**
   * Changes the state of an entry, and the key it is found under: in one step where the store has such. Elsewhere the record comes first: a crash
   * after it leaves the old key, whose finder mends the rest. Only where nobody looks at the old key it goes first: then the sweep finds a
   * record without any.
   * @returns undefined when somebody else was first
   */
  async move(from: Found, change: Partial<QueueEntry>, signal: AbortSignal): Promise<Found | undefined> {
    const together = await this.moveWith(from, change, [], signal)
    if (together !== undefined) return together
    const { entry } = from
    const quiet = entry.state === 'paused' || entry.state === 'dead'
    if (quiet) await this.unindex(entry, signal)
    const written = await this.write(changed(entry, change), from.revision, signal)
    if (written === undefined) {
      const now = quiet ? await this.read(entry.id, signal) : undefined
      if (now?.entry.sequence === entry.sequence) await this.index(entry, signal)
      return undefined
    }
    await this.index(written.entry, signal)
    if (!quiet) await this.unindex(entry, signal)
    if (isOver(written.entry)) await this.#forget(written, signal)
    return written
  }

  /**
   * The same in one step, together with other writes. Of a task that is over the entry goes at once.
   * @returns undefined when the store has no such step, or somebody else was first: then nothing was written
   */
  async moveWith(
    from: Found,
    change: Partial<QueueEntry>,
    others: readonly RecordWrite[],
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    const { entry } = from
    const next = this.#fresh(changed(entry, change))
    const [index = ''] = keysOf(next)
    const found: RecordWrite = { key: index, value: encodeRecord({}), expected: null }
    const left = keysOf(entry).map((key): RecordWrite => ({ key, value: null }))
    const own: RecordWrite[] = isOver(next)
      ? [found, { key: entryKey(entry.id), value: null, expected: from.revision }]
      : [{ key: entryKey(entry.id), value: encodeRecord(next), expected: from.revision }, found]
    const revision = await writeTogether(this.records, [...own, ...left, ...others], signal)
    if (revision === undefined) return undefined
    if (isOver(next) && next.key !== undefined) await this.#forgetKey(next.key, next.id, signal)
    return { entry: next, revision }
  }

  /** Makes an entry that nobody has yet, with the key that it is found under and other records, in one step. @returns as {@link moveWith} */
  async addWith(entry: QueueEntry, others: readonly RecordWrite[], signal: AbortSignal): Promise<Found | undefined> {
    const next = this.#fresh(entry)
    const [index = ''] = keysOf(next)
    const own: RecordWrite[] = [
      { key: entryKey(entry.id), value: encodeRecord(next), expected: null },
      { key: index, value: encodeRecord({}), expected: null },
    ]
    const revision = await writeTogether(this.records, [...own, ...others], signal)
    return revision === undefined ? undefined : { entry: next, revision }
  }

  /** Makes every write another one. */
  #fresh(entry: QueueEntry): QueueEntry {
    const { clock, random } = this.records
    return { ...entry, nonce: random.id(clock.now()) }
  }

  /** Puts right what a crash left undone for an entry, and drops a key of it that means nothing any more. @returns whether the entry was without its key */
  async mend(found: Found, stale: string | undefined, signal: AbortSignal): Promise<boolean> {
    const added = await this.index(found.entry, signal)
    if (stale !== undefined && !keysOf(found.entry).includes(stale)) await deleteRecord(this.records, stale, signal)
    if (isOver(found.entry)) await this.#forget(found, signal)
    return added
  }

  /** Makes sure that an entry is found. @returns whether it was not */
  async index(entry: QueueEntry, signal: AbortSignal): Promise<boolean> {
    const keys = keysOf(entry)
    for (const key of keys.slice(1)) {
      if ((await readRecord(this.records, key, signal)) !== undefined) return false
    }
    try {
      await writeRecord(this.records, keys[0] as string, encodeRecord({}), null, signal)
      return true
    } catch (error) {
      if (hasCode(error, 'conflict')) return false
      throw error
    }
  }

  async unindex(entry: QueueEntry, signal: AbortSignal): Promise<void> {
    for (const key of keysOf(entry)) await deleteRecord(this.records, key, signal)
  }

  /** Drops an entry, whatever its state. */
  async drop(found: Found, signal: AbortSignal): Promise<void> {
    await this.#forget(found, signal)
    await this.unindex(found.entry, signal)
  }

  /** Drops the record of a task that has ended: its own record stays, and the key under which it is dropped in time. */
  async #forget({ entry, revision }: Found, signal: AbortSignal): Promise<void> {
    if (entry.key !== undefined) await this.#forgetKey(entry.key, entry.id, signal)
    try {
      await this.records.store.delete(entryKey(entry.id), revision)
    } catch (error) {
      // Gone already, or begun anew; and what a store could not do now the sweep does.
      if (!StowageError.isInstance(error)) throw error
    }
  }

  async #forgetKey(hash: string, id: string, signal: AbortSignal): Promise<void> {
    const key = keyRecord(hash)
    const found = await readRecord(this.records, key, signal)
    if (found === undefined || decodeRecord<{ id: string }>(key, found.value).id !== id) return
    await this.records.store.delete(key, found.revision).catch((error: unknown) => {
      if (!StowageError.isInstance(error)) throw error
    })
  }
}

function isOver({ state }: QueueEntry): boolean {
  return state === 'done' || state === 'cancelled'
}

/** The next state of an entry. What belongs to the one before goes with it. */
function changed({ lease: _, asked: __, reason: ___, ...entry }: QueueEntry, change: Partial<QueueEntry>): QueueEntry {
  return { ...entry, ...change, sequence: entry.sequence + 1 }
}
