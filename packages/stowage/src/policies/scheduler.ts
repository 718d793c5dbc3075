import { type Clock, type Events, toStowageError } from '@stowage/core'
import { type PolicyConfig, parseEvery, parseSchedule, type Schedule } from '../config/index.ts'
import type { ChangeNotes } from './change-notes.ts'
import { isHeld } from './hold.ts'
import { emptyState, type PolicyState, policyKeys } from './policy-records.ts'
import { dueOf, type PolicyRuns } from './policy-runs.ts'
import type { KnownPolicy, PolicySet } from './policy-set.ts'
import type { Records } from './records.ts'

/** How often is looked for what is due, in milliseconds. */
const lookMs = 1000

/** How often is looked for what a crash left without a mark, in milliseconds. */
const mendMs = 60_000

/** How often is looked whether a policy that is to be tried again later may begin, in milliseconds. */
const lookAgainMs = 10_000

/** A time of a schedule that is seen to so late, in milliseconds, was missed. */
const MISSED_MS = 60_000

/** Policies that run at a time in one process. */
const atOnce = 4

/** How often events are reconciled when a policy does not say. */
export const RECONCILE = '24h'

/** How long events are collected when a policy does not say, in milliseconds. */
export const DEBOUNCE_MS = 1000

export interface SchedulerOptions {
  records: Records
  set: PolicySet
  runs: PolicyRuns
  notes: ChangeNotes
  clock: Clock
  events: Events
  newId: () => string
}

/**
 * Sees to it that policies run when they are due. Any number of processes may have one: that a time of a schedule was seen to and what it leads
 * to is written down in one step, so each leads to one run.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  /** When a policy's own times are to be looked at next. */
  readonly #nextSlots = new Map<string, { of: string; at: number }>()
  /** Policies that are not begun before. */
  readonly #notBefore = new Map<string, number>()
  /** Policies with events that are being collected: since when. */
  readonly #collecting = new Map<string, number>()
  readonly #running = new Map<string, Promise<void>>()
  #mendAt = 0
  #wake = new AbortController()

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /** Works until the signal fires; what runs then is stopped cleanly. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#options
    while (!signal.aborted) {
      let wait = lookMs
      try {
        wait = await this.tick(signal)
      } catch (thrown) {
        const { code, message } = toStowageError(thrown, signal)
        if (!signal.aborted)
          events.emit('alert', { severity: 'critical', code, message: `Policies cannot be looked at: ${message}` })
      }
      await clock.sleep(wait, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined)
      if (this.#wake.signal.aborted) this.#wake = new AbortController()
    }
    await Promise.all(this.#running.values())
  }

  /** Lets the next look come at once. */
  wake(): void {
    this.#wake.abort()
  }

  /** When a policy's own times come next, as far as this process knows. */
  nextAt(id: string): number | undefined {
    return this.#nextSlots.get(id)?.at
  }

  /** Waits until nothing runs here. */
  async settled(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  /**
   * One look. @returns milliseconds until the next is worth while
   */
  async tick(signal: AbortSignal): Promise<number> {
    const { records, set, clock } = this.#options
    await set.fresh()
    const now = await records.now(signal)
    for (const known of set.list()) await this.#slots(known, now)
    if (clock.now() >= this.#mendAt) await this.#mend(now)
    const due = (await records.list(policyKeys.due, { limit: 1000 }, signal)).map((key) =>
      key.slice(policyKeys.due.length),
    )
    const known = due.flatMap((id) => set.find(id) ?? [])
    for (const id of due) if (set.find(id) === undefined) await records.delete(policyKeys.due + id, signal)
    known.sort((a, b) => (b.config.priority ?? 0) - (a.config.priority ?? 0))
    let wait = lookMs
    for (const { config } of known) wait = Math.min(wait, this.#launch(config, now, signal))
    return wait
  }

  /** Begins what can be begun. @returns milliseconds until it is worth another look */
  #launch(policy: PolicyConfig, now: number, signal: AbortSignal): number {
    const { id } = policy
    if (policy.enabled === false || this.#running.has(id)) return lookMs
    if (policy.on === 'event') {
      const since = this.#collecting.get(id) ?? now
      this.#collecting.set(id, since)
      const left = since + (policy.debounceMs ?? DEBOUNCE_MS) - now
      if (left > 0) return Math.min(lookMs, left)
    }
    const left = (this.#notBefore.get(id) ?? 0) - now
    if (left > 0) return Math.min(lookMs, left)
    if (this.#running.size >= atOnce) return lookMs
    this.#collecting.delete(id)
    const running = this.#run(policy, signal).finally(() => {
      this.#running.delete(id)
      this.wake()
    })
    this.#running.set(id, running)
    return lookMs
  }

  async #run(policy: PolicyConfig, signal: AbortSignal): Promise<void> {
    const { runs, records, events } = this.#options
    // Not for long: what is asked for by hand meanwhile takes the wait off.
    const later = (now: number, at: number): unknown => this.#notBefore.set(policy.id, Math.min(at, now + lookAgainMs))
    try {
      const now = await records.now(signal)
      const retryAt = (await runs.state(policy.id))?.retryAt
      if (retryAt !== undefined && retryAt > now) return void later(now, retryAt)
      const run = await runs.run(policy, { signal })
      if (run === 'busy') later(now, now + 2 * lookMs)
      else if (run !== 'idle' && run.again !== undefined) later(await records.now(), run.again)
    } catch (thrown) {
      if (signal.aborted) return
      const { code, message } = toStowageError(thrown, signal)
      this.#notBefore.set(policy.id, (await records.now().catch(() => 0)) + lookAgainMs)
      const told = `Policy "${policy.id}" could not be run: ${message}`
      events.emit('alert', { severity: 'critical', code, message: told })
    }
  }

  /** Sees to the times of a policy that have come. */
  async #slots(known: KnownPolicy, now: number): Promise<void> {
    const { records, runs, newId } = this.#options
    const { config } = known
    const times = timesOf(config)
    const of = times?.of ?? ''
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
      if (config.enabled === false || config.on === 'publish') continue
      const state = await runs.state(config.id)
      if (isHeld(state, now)) continue
      const wanted = state !== undefined && dueOf(state, now) !== undefined
      if (wanted || (config.on === 'event' && (await notes.any(config.id)))) await runs.mark(config.id)
    }
  }
}

/** The times at which a policy wants a look at everything. */
interface Times {
  /** Changes when the times do. */
  of: string
  /** Takes note of the times that have come. Gives the state after it, and whether they lead to a run. */
  see(state: PolicyState, known: KnownPolicy, now: number): [state: PolicyState, leads: boolean]
  next(state: PolicyState | undefined, now: number): number
}

function timesOf(policy: PolicyConfig): Times | undefined {
  if (policy.enabled === false) return undefined
  if (policy.on === 'schedule' && policy.schedule !== undefined) return cronTimes(policy.schedule, policy)
  if (policy.on !== 'event') return undefined
  const reconcile = policy.reconcile ?? RECONCILE
  const every = parseEvery(reconcile)
  return every === undefined ? cronTimes(reconcile, policy) : everyTimes(every)
}

/** So long after the last look began, whatever became of events. */
function everyTimes(every: number): Times {
  const dueAt = (state: PolicyState | undefined): number =>
    (state?.reconciled?.from ?? Number.NEGATIVE_INFINITY) + every
  return {
    of: `every ${every}`,
    see: (state, _known, now) => [state, state.wanted === undefined && now >= dueAt(state)],
    next: (state, now) => Math.max(now + 10_000, dueAt(state)),
  }
}

function cronTimes(text: string, policy: PolicyConfig): Times {
  const of = `${text} ${policy.timeZone ?? 'UTC'}`
  let schedule: Schedule | undefined
  const times = (): Schedule => (schedule ??= parseSchedule(text, policy.timeZone))
  return {
    of,
    see(before, { since }, now) {
      // Seen for the first time, or changed: what came before is nothing that was missed.
      const state =
        before.schedule === of && before.lastSlot !== undefined
          ? before
          : { ...before, schedule: of, lastSlot: since === 0 ? now : since }
      const first = policy.on === 'event' && state.reconciled === undefined && state.wanted === undefined
      const slot = times().last(Math.max(state.lastSlot ?? now, since) + 1, now)
      if (slot === undefined) return [state, first]
      const seen = { ...state, lastSlot: slot }
      if (policy.on === 'event') return [seen, state.wanted === undefined]
      const missed = policy.missed === 'skip' && now - slot > MISSED_MS
      const overlaps = policy.overlap !== 'queue' && (isHeld(state, now) || state.wanted !== undefined)
      if (!missed && !overlaps) return [seen, true]
      return [{ ...seen, skipped: (state.skipped ?? 0) + 1 }, false]
    },
    next: (_state, now) => times().next(now) ?? Number.POSITIVE_INFINITY,
  }
}

function isEmpty(state: PolicyState): boolean {
  return state.schedule === undefined && state.wanted === undefined && state.reconciled === undefined
}
