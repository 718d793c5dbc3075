import { type Clock, type Events, toStowageError } from '@stowage/core'
import type { PolicyConfig } from '../config/index.ts'
import { isLeased } from '../records/index.ts'
import type { ChangeNotes } from './change-notes.ts'
import { emptyState, type PolicyState, policyKeys } from './policy-records.ts'
import { dueOf, type PolicyRuns } from './policy-runs.ts'
import type { KnownPolicy, PolicySet } from './policy-set.ts'
import type { PolicyTasks } from './policy-tasks.ts'
import { timesOf } from './policy-times.ts'
import type { Records } from './records.ts'

/** How often is looked for what is due, in milliseconds. */
const lookMs = 1000

/** How often is looked for what a crash left without a mark, in milliseconds. */
const mendMs = 60_000

/** How often is looked what became of a policy that is in the queue, in milliseconds. */
const lookAgainMs = 10_000

/** How long events are collected when a policy does not say, in milliseconds. */
export const DEBOUNCE_MS = 1000

export interface SchedulerOptions {
  records: Records
  set: PolicySet
  runs: PolicyRuns
  tasks: PolicyTasks
  notes: ChangeNotes
  clock: Clock
  events: Events
  newId: () => string
}

/**
 * Sees to it that policies are in the queue when they are due. Any number of processes may have one: that a time of a schedule was seen to and
 * what it leads to is written down in one step, so each leads to one run.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  /** When a policy's own times are to be looked at next. */
  readonly #nextSlots = new Map<string, { of: string; at: number }>()
  /** Policies that are not looked at before. */
  readonly #notBefore = new Map<string, number>()
  /** Policies with events that are being collected: since when. */
  readonly #collecting = new Map<string, number>()
  /** Policies whose times could not be seen to: until when they are left alone. */
  readonly #unreadable = new Map<string, number>()
  /** The store's time at the last look. */
  #lookedAt = Number.NEGATIVE_INFINITY
  #mendAt = 0
  #wake = new AbortController()

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /** Works until the signal fires. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#options
    while (!signal.aborted) {
      let wait = lookMs
      try {
        wait = (await this.tick(signal)).wait
      } catch (thrown) {
        const { code, message } = toStowageError(thrown, signal)
        if (!signal.aborted)
          events.emit('alert', { severity: 'critical', code, message: `Policies cannot be looked at: ${message}` })
      }
      await clock.sleep(wait, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined)
      if (this.#wake.signal.aborted) this.#wake = new AbortController()
    }
  }

  /** A policy's run has ended: what is wanted of it by now need not wait. */
  ended(id: string): void {
    this.#notBefore.delete(id)
    this.wake()
  }

  /** Lets the next look come at once. */
  wake(): void {
    this.#wake.abort()
  }

  /** When a policy's own times come next, as far as this process knows. */
  nextAt(id: string): number | undefined {
    return this.#nextSlots.get(id)?.at
  }

  /**
   * One look. @returns milliseconds until the next is worth while, and the tasks of policies that can be run now
   */
  async tick(signal: AbortSignal): Promise<{ wait: number; tasks: string[] }> {
    const { records, set, clock } = this.#options
    await set.fresh()
    const now = await records.now(signal)
    if (now < this.#lookedAt) this.#setBack()
    this.#lookedAt = now
    for (const known of set.list()) await this.#slotsAlone(known, now)
    if (clock.now() >= this.#mendAt) await this.#mend(now)
    const due = (await records.list(policyKeys.due, { limit: 1000 }, signal)).map((key) =>
      key.slice(policyKeys.due.length),
    )
    const known = due.flatMap((id) => set.find(id) ?? [])
    for (const id of due) if (set.find(id) === undefined) await records.delete(policyKeys.due + id, signal)
    known.sort((a, b) => (b.config.priority ?? 0) - (a.config.priority ?? 0))
    let wait = lookMs
    const tasks: string[] = []
    for (const { config } of known) {
      if (signal.aborted) break
      wait = Math.min(wait, await this.#offer(config, now, tasks))
    }
    return { wait, tasks }
  }

  /** A clock was set back: what was to wait until a time of before it need not. */
  #setBack(): void {
    this.#nextSlots.clear()
    this.#notBefore.clear()
    this.#collecting.clear()
    this.#unreadable.clear()
    this.#mendAt = 0
  }

  /** Puts what a policy wants into the queue, when its time has come. @returns milliseconds until it is worth another look */
  async #offer(policy: PolicyConfig, now: number, found: string[]): Promise<number> {
    const { tasks, events } = this.#options
    const { id } = policy
    if (policy.on === 'event') {
      const since = this.#collecting.get(id) ?? now
      this.#collecting.set(id, since)
      const left = since + (policy.debounceMs ?? DEBOUNCE_MS) - now
      if (left > 0) return Math.min(lookMs, left)
    }
    const left = (this.#notBefore.get(id) ?? 0) - now
    if (left > 0) return Math.min(lookMs, left)
    this.#collecting.delete(id)
    try {
      const task = await tasks.offer(policy, now)
      // Not for long: what runs elsewhere may end, and be wanted again.
      const later = typeof task === 'number' ? task : now + (task === 'busy' ? 2 * lookMs : lookAgainMs)
      this.#notBefore.set(id, Math.min(later, now + lookAgainMs))
      if (typeof task === 'object' && task.state === 'waiting' && task.dueAt <= now + lookMs) found.push(task.id)
    } catch (thrown) {
      const { code, message } = toStowageError(thrown)
      this.#notBefore.set(id, now + lookAgainMs)
      const told = `Policy "${id}" could not be put into the queue: ${message}`
      events.emit('alert', { severity: 'critical', code, message: told })
    }
    return lookMs
  }

  /** One whose record or schedule cannot be read here stops no other. */
  async #slotsAlone(known: KnownPolicy, now: number): Promise<void> {
    const { events } = this.#options
    const { id } = known.config
    if ((this.#unreadable.get(id) ?? 0) > now) return
    try {
      await this.#slots(known, now)
      this.#unreadable.delete(id)
    } catch (thrown) {
      const { code, message, retryable } = toStowageError(thrown)
      // A store that is away is so for all.
      if (retryable) throw thrown
      this.#unreadable.set(id, now + mendMs)
      const told = `The times of policy "${id}" cannot be seen to: ${message}`
      events.emit('alert', { severity: 'critical', code, message: told })
    }
  }

  /** Sees to the times of a policy that have come. */
  async #slots(known: KnownPolicy, now: number): Promise<void> {
    const { records, runs, newId } = this.#options
    const { config } = known
    const times = timesOf(config)
    const of = times === undefined ? '' : `${times.of} ${known.since}`
    const before = this.#nextSlots.get(config.id)
    if (before?.of === of && now < before.at) return
    if (times === undefined) {
      // Times that pass while it is off are not missed.
      if (before?.of !== of) await this.#forgetTimes(config.id)
      this.#nextSlots.set(config.id, { of, at: Number.POSITIVE_INFINITY })
      return
    }
    let led = false
    const state = await records.change<PolicyState>(policyKeys.state(config.id), (stored) => {
      const [after, leads] = times.see(stored ?? emptyState(), known, now)
      led = leads
      if (!leads) return after === stored || (stored === undefined && isEmpty(after)) ? stored : after
      const why = config.on === 'event' ? ('reconcile' as const) : ('schedule' as const)
      return { ...after, wanted: { id: newId(), why, at: now } }
    })
    this.#nextSlots.set(config.id, { of, at: times.next(state, now) })
    if (led) await runs.mark(config.id)
  }

  async #forgetTimes(id: string): Promise<void> {
    await this.#options.records.change<PolicyState>(policyKeys.state(id), (before) => {
      if (before?.schedule === undefined) return before
      const { schedule: _schedule, lastSlot: _lastSlot, ...state } = before
      return state
    })
  }

  /** Marks what has something to do and no mark: somebody died in between. */
  async #mend(now: number): Promise<void> {
    const { set, runs, notes, clock } = this.#options
    this.#mendAt = clock.now() + mendMs
    for (const { config } of set.list()) {
      const state = await runs.state(config.id).catch(() => undefined)
      if (isLeased(state, now) || (config.enabled === false && state?.wanted?.why !== 'manual')) continue
      const wanted = state !== undefined && dueOf(state, now) !== undefined
      if (wanted || (config.on === 'event' && (await notes.any(config.id)))) await runs.mark(config.id)
    }
  }
}

function isEmpty(state: PolicyState): boolean {
  return state.schedule === undefined && state.wanted === undefined && state.reconciled === undefined
}
