import { harmless } from '@stowage/core'
import { takeWish, Wish } from '../state/index.ts'
import { type PassCounts, rememberAll } from './counts.ts'
import type { Frontier } from './frontier.ts'
import { Lane, type LaneContext } from './lane.ts'
import { shareOf } from './survey.ts'

/** How long a lane that has nothing to do waits before it looks again, in milliseconds. */
const idleMs = 1000

/** How often it is told how far the walks are, in milliseconds. */
const tellMs = 2000

/** What {@link Lanes} needs. */
export interface LanesOptions extends LaneContext {
  /** Keys that a walk must have taken before what is left of it is worth to be split. */
  splitKeys: number
  /** Counts, and keys of objects to delete, of what is walked over here. */
  counts: PassCounts
  onPartitions: ((open: number) => void) | undefined
}

/**
 * Several walks over partitions, side by side, until none is left. A walk that comes to its end takes the next free partition; where none is
 * free, what is left of the longest walk of this run is split. When that is not possible either, a wish is written down for other workers.
 */
export class Lanes {
  readonly #options: LanesOptions
  readonly #running = new Set<Lane>()
  readonly #wish: Wish
  readonly #whole = new Set<string>()
  #choosing: Promise<unknown> = Promise.resolve()
  #moved = false
  #open = 0
  readonly #onPartitions: (open: number) => void
  #toldAt = 0
  /** Counts what might be of interest to a lane that has nothing to do. */
  #changes = 0
  #wake: (() => void)[] = []

  constructor(options: LanesOptions) {
    this.#options = options
    this.#onPartitions = harmless(options.onPartitions, 'onPartitions')
    this.#wish = new Wish(options.records, options.keys)
  }

  /** Where results of the walks under way become permanent. */
  get frontiers(): Frontier[] {
    return [...this.#running].flatMap(({ frontier }) => (frontier === undefined ? [] : [frontier]))
  }

  /** Whether anything was got done. */
  get moved(): boolean {
    return this.#moved || [...this.#running].some((lane) => lane.moved)
  }

  /** Whether all keys of a partition were walked over here. */
  walkedWhole(id: string): boolean {
    return this.#whole.has(id)
  }

  /**
   * Works until all partitions are complete or the run is stopped.
   * @throws StowageError of a listing that failed, `unsafe`
   */
  async work(signal: AbortSignal): Promise<void> {
    const { sharers, shared } = this.#options
    const failures: unknown[] = []
    await Promise.all(
      Array.from({ length: sharers }, () =>
        this.#lane(signal).catch((error: unknown) => {
          failures.push(error)
          if (!shared.stop.stopping) shared.stop.now({ kind: 'signal' })
          this.#wakeAll()
        }),
      ),
    )
    await this.#wish.drop(signal).catch(() => undefined)
    if (failures.length > 0) throw failures[0]
  }

  /** Lets others know how far the walks are. To be called now and then. */
  async tell(): Promise<void> {
    const now = this.#options.records.clock.now()
    if (Math.abs(now - this.#toldAt) < tellMs) return
    this.#toldAt = now
    await Promise.all([...this.#running].map((lane) => lane.tell()))
  }

  /** Splits a partition when another worker wishes for one. To be called now and then. */
  async grantWish(signal: AbortSignal): Promise<void> {
    const { records, keys } = this.#options
    if (this.#longest() === undefined) return
    if (await takeWish(records, keys, signal)) await this.#splitLongest()
  }

  async #lane(signal: AbortSignal): Promise<void> {
    const { stop } = this.#options.shared
    while (!stop.stopping) {
      const seen = this.#changes
      const next = await this.#next(signal)
      if (next === 'complete') return this.#wakeAll()
      if (next === undefined) {
        if (await this.#splitLongest()) continue
        await this.#wish.make(signal)
        // What changed meanwhile would not wake it any more.
        if (seen === this.#changes) await this.#rest(stop.signal)
        continue
      }
      await this.#walk(next)
    }
  }

  async #walk(lane: Lane): Promise<void> {
    const { counts } = this.#options
    this.#running.add(lane)
    try {
      if ((await lane.perform()) && lane.whole) {
        this.#whole.add(lane.id)
        rememberAll(counts, lane.counts)
      }
      this.#moved = true
    } finally {
      this.#running.delete(lane)
      this.#wakeAll()
    }
  }

  /** Takes the next partition; lanes choose one after the other. */
  #next(signal: AbortSignal): Promise<Lane | 'complete' | undefined> {
    const chosen = this.#choosing.then(() => this.#choose(signal))
    this.#choosing = chosen.catch(() => undefined)
    return chosen
  }

  async #choose(signal: AbortSignal): Promise<Lane | 'complete' | undefined> {
    const { partitions, shared } = this.#options
    const all = await partitions.all(signal)
    shared.transfers.progress.looked(shareOf(all))
    const left = all.filter(({ part }) => !part.complete)
    if (left.length === 0) return 'complete'
    const free = left.filter(({ held }) => !held)
    for (const [taken, { id }] of free.entries()) {
      if (shared.stop.stopping) return undefined
      const lease = await partitions.claim(id, signal)
      if (lease === undefined) continue
      this.#tell(free.length - taken - 1)
      return new Lane(this.#options, id, lease)
    }
    this.#tell(0)
    return undefined
  }

  async #splitLongest(): Promise<boolean> {
    const lane = this.#longest()
    if (lane === undefined || !(await lane.split())) return false
    this.#tell(this.#open + 1)
    this.#wakeAll()
    return true
  }

  #longest(): Lane | undefined {
    const lanes = [...this.#running].filter((lane) => lane.unsplit >= this.#options.splitKeys)
    return lanes.sort((a, b) => b.unsplit - a.unsplit)[0]
  }

  #tell(open: number): void {
    if (open === this.#open) return
    this.#open = open
    this.#onPartitions(open)
  }

  /** Waits for a while, or until something changes here. */
  async #rest(stopped: AbortSignal): Promise<void> {
    const ended = new AbortController()
    const woken = new Promise<void>((resolve) => this.#wake.push(resolve))
    const slept = this.#options.records.clock
      .sleep(idleMs, AbortSignal.any([ended.signal, stopped]))
      .catch(() => undefined)
    await Promise.race([woken, slept])
    ended.abort()
  }

  #wakeAll(): void {
    this.#changes++
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}
