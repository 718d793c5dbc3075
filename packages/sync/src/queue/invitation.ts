import { encodeRecord } from '@stowage/core'
import { deleteRecord, readRecord, writeRecord } from '../state/index.ts'
import type { Entries } from './entries.ts'
import { helpPrefix, type QueueEntry } from './entry.ts'

const never = new AbortController().signal

/**
 * Lets idle workers know that a task which runs here has partitions. It stands until the run ends, also while all of them are taken: who has
 * come gets his share by a split.
 */
export class Invitation {
  readonly #entries: Entries
  readonly #key: string
  readonly #alert: (error: unknown) => void
  #wanted = false
  #written = false
  #writing: Promise<void> = Promise.resolve()

  constructor(entries: Entries, entry: QueueEntry, alert: (error: unknown) => void) {
    this.#entries = entries
    this.#key = helpKey(entry)
    this.#alert = alert
  }

  /** To be told how many partitions wait for somebody, whenever that changes. */
  readonly tell = (open: number): void => {
    if (open === 0 || this.#wanted) return
    this.#wanted = true
    this.#write()
  }

  /** Takes it back. */
  async end(): Promise<void> {
    this.#wanted = false
    this.#write()
    await this.#writing
  }

  /** One write after the other, and each of what is wanted by then: who helps is worth no more than a word that comes late. */
  #write(): void {
    this.#writing = this.#writing.then(async () => {
      if (this.#wanted === this.#written) return
      const { records } = this.#entries
      try {
        if (this.#wanted) await put(this.#entries, this.#key)
        else await deleteRecord(records, this.#key, never)
        this.#written = !this.#written
      } catch (error) {
        // The next change asks again.
        this.#wanted = this.#written
        this.#alert(error)
      }
    })
  }
}

async function put(entries: Entries, key: string): Promise<void> {
  const { records } = entries
  if ((await readRecord(records, key, never)) !== undefined) return
  await writeRecord(records, key, encodeRecord({ nonce: records.random.id(records.clock.now()) }), null, never)
}

/** Names the run, so that what one of a dead worker left behind is told from that of the next. */
export function helpKey({ id, sequence }: QueueEntry): string {
  return `${helpPrefix}${id}.${sequence}`
}
