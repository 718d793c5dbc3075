import { type Clock, type Events, hasCode, StowageError, toStowageError } from '@stowage/core'
import type { Leased } from '../records/index.ts'
import type { Sources } from '../sources/index.ts'
import type { Intake } from './intake.ts'
import { policyKeys } from './policy-records.ts'
import type { PolicySet } from './policy-set.ts'
import type { Records } from './records.ts'

/** How often is looked which sources are to be watched, in milliseconds. */
const lookMs = 2000

/** The pause while another process watches, and after a watch that failed, in milliseconds. */
const [busyMs, failedMs] = [10_000, 30_000]

/** The time that a connection is given to stand before all is looked at, so that what happens meanwhile is either seen or told. */
const standsMs = 1000

export interface WatchesOptions {
  records: Records
  set: PolicySet
  intake: Intake
  sources: Sources
  clock: Clock
  events: Events
}

/** Watches the sources of policies on `event` that can be watched, one process each. */
export class Watches {
  readonly #options: WatchesOptions

  constructor(options: WatchesOptions) {
    this.#options = options
  }

  /** Watches until the signal fires. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, set, intake } = this.#options
    const running = new Map<string, { stop: AbortController; done: Promise<void> }>()
    while (!signal.aborted) {
      await set.fresh()
      const wanted = intake.watched()
      for (const [id, { stop, done }] of running) {
        if (wanted.has(id)) continue
        stop.abort()
        running.delete(id)
        await done
      }
      for (const id of wanted) {
        if (running.has(id)) continue
        const stop = new AbortController()
        running.set(id, { stop, done: this.#keep(id, AbortSignal.any([signal, stop.signal])) })
      }
      await clock.sleep(lookMs, signal).catch(() => undefined)
    }
    await Promise.all([...running.values()].map(({ done }) => done))
  }

  async #keep(sourceId: string, signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#options
    while (!signal.aborted) {
      let pause = busyMs
      try {
        if (await this.#take(sourceId, signal)) pause = lookMs
      } catch (thrown) {
        if (signal.aborted) return
        const { code, message } = toStowageError(thrown, signal)
        pause = failedMs
        const told = `Source "${sourceId}" cannot be watched; its policies wait for their reconciliation: ${message}`
        events.emit('alert', { severity: 'critical', code, message: told, sourceId })
      }
      await clock.sleep(pause, signal).catch(() => undefined)
    }
  }

  /** Watches as long as no other process does. @returns whether it did */
  async #take(sourceId: string, signal: AbortSignal): Promise<boolean> {
    const { records, sources } = this.#options
    const adapter = await sources.adapter(sourceId)
    // Its bucket tells of changes elsewhere, and these are handed in.
    if (adapter.capabilities.notifications !== 'listen') return false
    const key = policyKeys.watch(sourceId)
    const lease = await records.take<Leased>(key, `the watch of "${sourceId}"`, (before) => before ?? {}, signal)
    if (lease === undefined) return false
    const held = AbortSignal.any([signal, lease.signal])
    try {
      await this.#watch(sourceId, adapter.watch({ signal: held }), held)
    } catch (error) {
      if (!held.aborted) throw error
    } finally {
      await lease.release().catch((error: unknown) => {
        if (!hasCode(error, 'lease-lost')) throw error
      })
    }
    return true
  }

  async #watch(
    sourceId: string,
    told: ReturnType<Awaited<ReturnType<Sources['adapter']>>['watch']>,
    signal: AbortSignal,
  ): Promise<void> {
    const { intake, clock } = this.#options
    const batches = told[Symbol.asyncIterator]()
    const aborted = new Promise<undefined>((resolve) =>
      signal.addEventListener('abort', () => resolve(undefined), { once: true }),
    )
    let next = batches.next()
    // It fails where it is awaited.
    next.catch(() => undefined)
    await clock.sleep(standsMs, signal)
    // Nobody knows what happened before this watch.
    await intake.gap(sourceId)
    for (;;) {
      const result = await Promise.race([next, aborted])
      if (result === undefined || result.done === true) break
      const happened = result.value.flatMap((event) => (event.type === 'gap' ? [] : [event]))
      if (happened.length > 0) await intake.note(sourceId, happened)
      if (happened.length < result.value.length) await intake.gap(sourceId)
      next = batches.next()
      next.catch(() => undefined)
    }
    if (!signal.aborted) throw new StowageError('unavailable', 'The store ended the watch.', { sourceId })
  }
}
