import { decodeRecord, encodeRecord } from '@stowage/core'
import { Lease, type LeasedRecord, type Owner } from '../state/index.ts'
import type { Entries, Found } from './entries.ts'
import { entryKey, type QueueEntry } from './entry.ts'
import type { TaskRecords } from './task-records.ts'

/** How often a worker looks whether its task is to be paused or cancelled, in milliseconds. */
const lookMs = 1000

/**
 * A running task while a worker has it. The signal fires when the lease is lost: then another worker may have the task. What the two write at the
 * places themselves is kept apart by the lease of the sync.
 */
export class EntryLease {
  readonly signal: AbortSignal
  readonly #entries: Entries
  readonly #lease: Lease<QueueEntry>

  /** @param asked when the lease was asked for, by the machine's clock */
  constructor(
    entries: Entries,
    owner: Owner,
    found: Found,
    asked: number,
    onAsked: (asked: 'pause' | 'cancel') => void,
  ) {
    const { records } = entries
    let told = found.entry.asked
    const onSeen = ({ asked }: QueueEntry): void => {
      if (asked !== undefined && asked !== told) onAsked(asked)
      told = asked
    }
    const record = entryRecord(found.entry.id, () => records.random.id(records.clock.now()))
    const options = { records, record, owner, what: 'this task', watch: { everyMs: lookMs, onSeen } }
    this.#entries = entries
    this.#lease = new Lease(options, { value: found.entry, revision: found.revision }, asked)
    this.signal = this.#lease.signal
  }

  /** The entry as it was last seen. */
  get entry(): QueueEntry {
    return this.#lease.value
  }

  /**
   * Ends the lease with another state of the task, and tells it. When somebody asked for something in the meantime, the state is found anew.
   * @returns undefined when the lease was lost
   */
  async end(
    tasks: TaskRecords,
    change: (entry: QueueEntry) => Partial<QueueEntry>,
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    await this.abandon()
    for (;;) {
      const { value: entry, revision } = this.#lease.found
      const known = await tasks.read(entry.id, signal)
      const changes = change(entry)
      const { reason: _, ...rest } = entry
      const next = { ...rest, ...changes }
      const told = tasks.next(next, known)
      const found = { entry, revision }
      const together = await this.#entries.moveWith(found, changes, told === undefined ? [] : [told.write], signal)
      if (together !== undefined) {
        if (told !== undefined) tasks.told(told.task)
        return together
      }
      // Looked at after the record was read: whoever takes the task over from here on writes it anew, and ours is refused.
      if (!(await this.#lease.look(signal))) return undefined
      await tasks.tell(next, known, signal)
      const moved = await this.#entries.move(found, changes, signal)
      if (moved !== undefined || !(await this.#lease.look(signal))) return moved
    }
  }

  /** Ends the heartbeat, and leaves the lease to run out. */
  abandon(): Promise<void> {
    return this.#lease.abandon()
  }
}

/** How the lease of a task lies in its entry. Who asks for a pause writes to it as well. */
export function entryRecord(id: string, newId: () => string): LeasedRecord<QueueEntry> {
  const key = entryKey(id)
  return {
    key,
    decode: (bytes) => decodeRecord<QueueEntry>(key, bytes),
    encode: encodeRecord,
    leaseOf: ({ lease }) => lease,
    withLease: ({ lease: _, ...entry }, lease) => ({ ...entry, ...(lease === null ? {} : { lease }), nonce: newId() }),
  }
}
