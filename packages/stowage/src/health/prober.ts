import type { Clock, Random } from '@stowage/core'
import type { SourceView } from '../sources/entry.ts'
import type { ProbeLease } from './probe-lease.ts'
import type { HealthSettings } from './settings.ts'

/** Longest and shortest pause between two looks at what is due, in milliseconds. */
const [longestMs, shortestMs] = [10_000, 250]

/** What {@link Prober} is made of. */
export interface ProberParts {
  sources: {
    list(): SourceView[]
    probe(id: string, signal: AbortSignal): Promise<{ ok: boolean }>
    freshHealth(): Promise<void>
  }
  lease: ProbeLease
  clock: Clock
  random: Random
  settings: Pick<HealthSettings, 'probeMs' | 'probeSickMs'>
}

/**
 * Probes sources while something runs: one that nothing was heard of, so that it is known, and one that is not well, so that it comes back by
 * a probe and not at the cost of readers. One process does it for all.
 */
export class Prober {
  readonly #parts: ProberParts
  /** When each source was probed last, how much later than others it comes, and whether it failed. */
  readonly #probed = new Map<string, { at: number; jitter: number; failed: boolean }>()
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(parts: ProberParts) {
    this.#parts = parts
  }

  /** Probes until the signal fires, and returns when nothing is under way any more. Does not throw. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, settings, lease } = this.#parts
    // What only lives for a moment shall not begin with it, and not all at once.
    let wait = settings.probeMs * (0.5 + random.next() / 2)
    try {
      while (!signal.aborted) {
        await clock.sleep(wait, signal, { keepsAlive: false })
        wait = await this.turn(signal)
      }
    } catch {
      // Stopped.
    }
    await Promise.all(this.#underWay.values())
    await lease.release()
  }

  /**
   * Begins the probes that are due, if it is for this process to do.
   * @returns milliseconds until it is worth another look
   */
  async turn(signal: AbortSignal): Promise<number> {
    const { sources, lease, clock, random } = this.#parts
    await sources.freshHealth()
    const { mine, waitMs } = await lease.take()
    if (!mine) return Math.max(1000, Math.min(longestMs, waitMs)) * (0.75 + random.next() / 4)
    let next = longestMs
    for (const view of sources.list()) {
      if (!view.enabled || this.#underWay.has(view.id)) continue
      const due = this.#dueAt(view) - clock.now()
      if (due <= 0) this.#probe(view.id, signal)
      else next = Math.min(next, due)
    }
    // Whose probe is under way may be due again soon.
    return Math.max(shortestMs, this.#underWay.size > 0 ? Math.min(next, 1000) : next)
  }

  #dueAt({ id, health }: SourceView): number {
    const { probeMs, probeSickMs } = this.#parts.settings
    const never = { at: Number.NEGATIVE_INFINITY, jitter: 0, failed: false }
    const { at, jitter, failed } = this.#probed.get(id) ?? never
    const { trouble, retryAt, lastCheckedAt } = health
    const isWell = trouble === undefined || trouble === 'returning' || trouble === 'throttled'
    if (isWell && !failed) {
      return Math.max(at, lastCheckedAt ?? Number.NEGATIVE_INFINITY) + probeMs * (0.9 + jitter / 5)
    }
    // Its first trial is a probe's, as soon as its time is over.
    const trial = trouble === 'ejected' && retryAt !== undefined && retryAt > at ? retryAt : Number.POSITIVE_INFINITY
    return Math.min(at + probeSickMs * (0.9 + jitter / 5), trial)
  }

  #probe(id: string, signal: AbortSignal): void {
    const { sources, clock, random } = this.#parts
    const probed = { at: clock.now(), jitter: random.next(), failed: false }
    this.#probed.set(id, probed)
    const probing = sources.probe(id, signal).then(
      ({ ok }) => {
        probed.failed = !ok
      },
      // A source whose options are wrong, or that was just removed, is no worse for it here.
      () => undefined,
    )
    this.#underWay.set(
      id,
      probing.then(() => {
        this.#underWay.delete(id)
      }),
    )
  }
}
