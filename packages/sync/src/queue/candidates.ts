import { encodeRecord, hasCode } from '@stowage/core'
import { deleteRecord, listRecords, type Records, storeNow, writeRecord } from '../state/index.ts'
import { dueKey, laterPrefix, type Waiting, waitingAt, waitPrefix } from './entry.ts'

/** Tasks looked at in each lane at a time. */
const heads = 16
const mostHeads = 1000

/** Tasks that became due that are moved at a time. */
const moves = 256

/** Reads from the store's keys which tasks are next, however many wait behind them. */
export class Candidates {
  readonly #records: Records

  constructor(records: Records) {
    this.#records = records
  }

  /**
   * The first tasks of each lane that is not left out, the soonest first. It costs one call a lane.
   * @param passed tasks that cannot be taken now, and may be the first of a lane
   */
  async next(without: ReadonlySet<string>, passed: number, signal: AbortSignal): Promise<Waiting[]> {
    const found: Waiting[] = []
    const most = Math.min(heads + passed, mostHeads)
    let after = waitPrefix
    for (;;) {
      const page = (await this.#list(waitPrefix, after, most, signal)).map(waitingAt)
      const [first] = page
      if (first === undefined) break
      const { lane } = first
      if (!without.has(lane)) found.push(...page.filter((task) => task.lane === lane))
      if (page.length < most && page.every((task) => task.lane === lane)) break
      // "0" comes after "/": all of the lane is passed over.
      after = `${waitPrefix}${lane}0`
    }
    return found.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
  }

  /** Moves tasks that are due now to where they are found. @returns milliseconds until the next one is due, if there is any */
  async moveDue(signal: AbortSignal): Promise<number | undefined> {
    for (;;) {
      const page = await this.#list(laterPrefix, laterPrefix, moves, signal)
      if (page.length === 0) return undefined
      const now = await storeNow(this.#records, signal)
      for (const later of page) {
        const { dueAt, key } = dueKey(later)
        if (dueAt > now) return dueAt - now
        await this.#put(key, signal)
        await deleteRecord(this.#records, later, signal)
      }
      if (page.length < moves) return undefined
    }
  }

  async #put(key: string, signal: AbortSignal): Promise<void> {
    try {
      await writeRecord(this.#records, key, encodeRecord({}), null, signal)
    } catch (error) {
      if (!hasCode(error, 'conflict')) throw error
    }
  }

  async #list(prefix: string, after: string, limit: number, signal: AbortSignal): Promise<string[]> {
    const page: string[] = []
    for await (const key of listRecords(this.#records, prefix, signal, { after, limit })) {
      page.push(key)
      if (page.length === limit) break
    }
    return page
  }
}
