import { decodeRecord, encodeRecord, hasCode } from '@stowage/core'
import { isHeld, type Owner, type Records, readRecord, writeRecord } from '../state/index.ts'
import type { Entries } from './entries.ts'
import { type QueueEntry, slotsKey } from './entry.ts'

/** A task that takes up a place at a source. */
interface Holder {
  /** Several workers may try for one task: each gives back its own place alone. */
  nonce: string
  id: string
  /** Number of the state in which it runs. */
  sequence: number
  /** The place is kept so long for a task that is being taken, in milliseconds since the epoch by the store's clock. */
  until: number
}

/** Gives the places of a task back. */
export type Places = (signal: AbortSignal) => Promise<void>

/** How long a place is kept for a task that is being taken, in milliseconds: longer than the store is tried. */
const reservedMs = 30_000

/** Tries to change a record that others change as well. */
const attempts = 20

/**
 * The places that tasks take up at sources, in all processes together. A place belongs to a task as long as that is running under its lease, so a
 * worker that dies gives its places back with it.
 */
export class Slots {
  readonly #entries: Entries
  readonly #records: Records
  readonly #owner: Owner

  constructor(entries: Entries, owner: Owner) {
    this.#entries = entries
    this.#records = entries.records
    this.#owner = owner
  }

  /** Takes a place at each of a task's sources, or none. @returns what gives them back; `undefined` when there is no room */
  async take(entry: QueueEntry, limit: number, now: number, signal: AbortSignal): Promise<Places | undefined> {
    const { clock, random } = this.#records
    const mine = {
      nonce: random.id(clock.now()),
      id: entry.id,
      sequence: entry.sequence + 1,
      until: now + reservedMs,
    }
    const taken: string[] = []
    const leave: Places = async (until) => {
      for (const source of taken) await this.#leave(source, mine.nonce, until)
    }
    try {
      for (const source of sourcesOf(entry)) {
        taken.push(source)
        if (await this.#take(source, mine, limit, now, signal)) continue
        await leave(signal)
        return undefined
      }
    } catch (error) {
      await leave(signal).catch(() => undefined)
      throw error
    }
    return leave
  }

  async #take(source: string, mine: Holder, limit: number, now: number, signal: AbortSignal): Promise<boolean> {
    let room = false
    await this.#change(source, signal, async (holders) => {
      const others = holders.length < limit ? holders : await this.#living(holders, now, signal)
      room = others.length < limit
      return room ? [...others, mine] : holders
    })
    return room
  }

  async #leave(source: string, nonce: string, signal: AbortSignal): Promise<void> {
    await this.#change(source, signal, async (holders) => {
      const others = holders.filter((holder) => holder.nonce !== nonce)
      return others.length === holders.length ? holders : others
    })
  }

  async #living(holders: readonly Holder[], now: number, signal: AbortSignal): Promise<Holder[]> {
    const living: Holder[] = []
    for (const holder of holders) {
      const entry = (await this.#entries.read(holder.id, signal))?.entry
      if (entry === undefined) continue
      const taking = entry.sequence < holder.sequence && holder.until > now
      const isTheirs = entry.sequence === holder.sequence && entry.state === 'running'
      const running = isTheirs && isHeld(entry.lease, this.#owner, now)
      if (taking || running) living.push(holder)
    }
    return living
  }

  async #change(source: string, signal: AbortSignal, change: (holders: Holder[]) => Promise<Holder[]>): Promise<void> {
    const key = slotsKey(source)
    const { clock, random } = this.#records
    for (let attempt = 1; ; attempt++) {
      const found = await readRecord(this.#records, key, signal)
      const before = found === undefined ? [] : decodeRecord<{ holders: Holder[] }>(key, found.value).holders
      const holders = await change(before)
      if (holders === before || (holders.length === 0 && found === undefined)) return
      const value = encodeRecord({ source, holders, nonce: random.id(clock.now()) })
      try {
        await writeRecord(this.#records, key, value, found?.revision ?? null, signal)
        return
      } catch (error) {
        if (!hasCode(error, 'conflict') || attempt >= attempts) throw error
        await clock.sleep(random.next() * 20 * attempt, signal)
      }
    }
  }
}

function sourcesOf({ task }: QueueEntry): string[] {
  // Always in the same order, so that two tasks that want the same places do not each take one.
  return [...new Set([task.sourceId, task.targetId])].sort()
}
