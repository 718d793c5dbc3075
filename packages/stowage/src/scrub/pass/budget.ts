import { type JsonRecords, nameOf } from '../../records/index.ts'

/** What was read of a source in an hour of the catalog's clock, by all processes. */
interface SourceRecord {
  hour: number
  used: number
  /** When it was told last that the budget does not reach. */
  toldAt: number
}

/** What is taken from the record at a time, so that not every file asks for its own. */
const CHUNK = 32 * 1024 * 1024

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** Bytes that one run may still read. */
export class RunBudget {
  left: number

  constructor(bytes: number) {
    this.left = bytes
  }
}

/**
 * The budget of one source: so many bytes in each hour of the clock, shared by all processes, and what the run may read in all. What is taken
 * and not spent is given back at the end.
 */
export class SourceBudget {
  readonly #records: JsonRecords
  readonly #key: string
  readonly #perHour: number
  readonly #run: RunBudget
  /** Taken from the record and not spent. */
  #held = 0
  #hour = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(records: JsonRecords, sourceId: string, perHour: number, run: RunBudget) {
    this.#records = records
    this.#key = `scrub/source/${nameOf(sourceId)}`
    this.#perHour = perHour
    this.#run = run
  }

  /** Whether so many bytes may be read now; if so, they count as read. */
  spend(bytes: number): Promise<boolean> {
    const next = this.#queue.then(() => this.#spend(bytes))
    this.#queue = next.catch(() => undefined)
    return next
  }

  async #spend(bytes: number): Promise<boolean> {
    if (this.#run.left < bytes) return false
    if (this.#held < bytes && !(await this.#take(bytes - this.#held))) return false
    this.#held -= bytes
    this.#run.left -= bytes
    return true
  }

  async #take(bytes: number): Promise<boolean> {
    for (;;) {
      const found = await this.#records.read<SourceRecord>(this.#key)
      const now = await this.#records.now()
      const hour = Math.floor(now / HOUR)
      const used = found?.value.hour === hour ? found.value.used : 0
      const left = this.#perHour - used
      if (left < bytes) return false
      const chunk = Math.min(CHUNK, Math.floor(this.#perHour / 8), this.#run.left)
      const taken = Math.min(left, Math.max(bytes, chunk))
      const value = { hour, used: used + taken, toldAt: found?.value.toldAt ?? 0 }
      if ((await this.#records.write(this.#key, value, found?.revision ?? null)) === undefined) continue
      this.#held += taken
      this.#hour = hour
      return true
    }
  }

  /** Gives back what was taken and not spent. */
  async close(): Promise<void> {
    await this.#queue
    while (this.#held > 0) {
      const found = await this.#records.read<SourceRecord>(this.#key)
      if (found === undefined || found.value.hour !== this.#hour) break
      const value = { ...found.value, used: Math.max(0, found.value.used - this.#held) }
      if ((await this.#records.write(this.#key, value, found.revision)) !== undefined) break
    }
    this.#held = 0
  }

  /** Whether it is time to tell that the budget does not reach: once a day, whoever asks first. */
  async tellNow(): Promise<boolean> {
    const found = await this.#records.read<SourceRecord>(this.#key)
    const now = await this.#records.now()
    if (found !== undefined && found.value.toldAt > now - DAY) return false
    const value = { hour: 0, used: 0, ...found?.value, toldAt: now }
    return (await this.#records.write(this.#key, value, found?.revision ?? null)) !== undefined
  }
}
