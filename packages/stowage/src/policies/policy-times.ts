import { type PolicyConfig, parseEvery, parseSchedule, type Schedule } from '../config/index.ts'
import { isLeased } from '../records/index.ts'
import { type PolicyState, subjectOf } from './policy-records.ts'
import type { KnownPolicy } from './policy-set.ts'

/** A time of a schedule that is seen to so late, in milliseconds, was missed. */
const MISSED_MS = 60_000

/** A time that lies so far ahead, in milliseconds, is of a clock that was wrong. */
const wrongMs = 86_400_000

/** How often events are reconciled when a policy does not say. */
export const RECONCILE = '24h'

/** The times at which a policy wants a look at everything. */
export interface Times {
  /** Changes when the times do. */
  of: string
  /** Takes note of the times that have come. Gives the state after it, and whether they lead to a run. */
  see(state: PolicyState, known: KnownPolicy, now: number): [state: PolicyState, leads: boolean]
  next(state: PolicyState | undefined, now: number): number
}

/** When a policy wants to be run by itself; `undefined` when it never does. */
export function timesOf(policy: PolicyConfig): Times | undefined {
  if (policy.enabled === false) return undefined
  if (policy.on === 'schedule' && policy.schedule !== undefined) return cronTimes(policy.schedule, policy)
  if (policy.on !== 'event') return undefined
  const reconcile = policy.reconcile ?? RECONCILE
  const every = parseEvery(reconcile)
  return every === undefined ? cronTimes(reconcile, policy) : everyTimes(every, policy)
}

/**
 * Since when all is known to be in the target, if that is of any use for what a policy says now: not when it said something else then, or was off
 * since, so that nobody noted what happened. A time that lies ahead is of a clock that was wrong.
 */
function lookedFrom(state: PolicyState | undefined, policy: PolicyConfig, since: number, now: number): number {
  const { from, of } = state?.reconciled ?? {}
  if (from === undefined || from < since || from > now + wrongMs) return Number.NEGATIVE_INFINITY
  return of === undefined || of === subjectOf(policy) ? from : Number.NEGATIVE_INFINITY
}

/** So long after the last look began, whatever became of events. */
function everyTimes(every: number, policy: PolicyConfig): Times {
  const dueAt = (state: PolicyState | undefined, since: number, now: number): number =>
    Math.max(lookedFrom(state, policy, since, now), cancelledAt(state, now)) + every
  return {
    of: `every ${every}`,
    see: (state, { since }, now) => [state, state.wanted === undefined && now >= dueAt(state, since, now)],
    next: (state, now) => Math.max(now + 10_000, dueAt(state, 0, now)),
  }
}

/** When a look was cancelled: the next one comes in its time, and not at once. */
function cancelledAt(state: PolicyState | undefined, now: number): number {
  const at = state?.cancelledAt
  return at === undefined || at > now + wrongMs ? Number.NEGATIVE_INFINITY : at
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
        before.schedule === of && before.lastSlot !== undefined && before.lastSlot <= now + wrongMs
          ? before
          : { ...before, schedule: of, lastSlot: since === 0 ? now : Math.min(since, now) }
      const looked = policy.on !== 'event' || lookedFrom(state, policy, since, now) > Number.NEGATIVE_INFINITY
      const first = !looked && state.wanted === undefined && cancelledAt(state, now) === Number.NEGATIVE_INFINITY
      const slot = times().last(Math.max(state.lastSlot ?? now, since > now + wrongMs ? 0 : since) + 1, now)
      if (slot === undefined) return [state, first]
      const seen = { ...state, lastSlot: slot }
      if (policy.on === 'event') return [seen, state.wanted === undefined]
      const missed = policy.missed === 'skip' && now - slot > MISSED_MS
      const overlaps = policy.overlap !== 'queue' && (isLeased(state, now) || state.wanted !== undefined)
      if (!missed && !overlaps) return [seen, true]
      return [{ ...seen, skipped: (state.skipped ?? 0) + 1 }, false]
    },
    next: (_state, now) => times().next(now) ?? Number.POSITIVE_INFINITY,
  }
}
