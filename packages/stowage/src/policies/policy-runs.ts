import { type Clock, type Events, type Random, StowageError, type SyncProgress } from '@stowage/core'
import type { PolicyConfig } from '../config/index.ts'
import type { ChangeNotes, TakenNotes } from './change-notes.ts'
import { free, holdBy, isHeld, whileHeld } from './hold.ts'
import { addLags } from './lag.ts'
import {
  emptyState,
  type PolicyRunRecord,
  type PolicyState,
  type PolicyTrigger,
  policyKeys,
  type Reconciled,
  subjectOf,
  type Wanted,
} from './policy-records.ts'
import type { PolicyWork, WorkDone, WorkOptions } from './policy-work.ts'
import type { Records } from './records.ts'

/** The first pause after a run that failed, and the longest, in milliseconds. */
const [firstRetryMs, longestRetryMs] = [15_000, 3_600_000]

/** The pause while somebody else syncs the same places, in milliseconds. */
const busyMs = 5000

export interface PolicyRunsOptions {
  records: Records
  notes: ChangeNotes
  work: PolicyWork
  clock: Clock
  random: Random
  events: Events
}

export interface PolicyRunOptions extends Pick<WorkOptions, 'timeLimitMs'> {
  signal?: AbortSignal
  onProgress?: (progress: SyncProgress) => void
}

/** One run of a policy. */
export interface PolicyRun extends PolicyRunRecord {
  policyId: string
  syncs: WorkDone['syncs']
  /** What the work threw, when that ended it. */
  thrown?: StowageError
  /** There is more to do, or it is to be tried again: not before this time. */
  again?: number
}

/** What is to be done now. */
interface Task {
  wanted: Wanted | undefined
  notes: TakenNotes
  trigger: PolicyTrigger
  keys: readonly string[] | undefined
}

/**
 * Runs policies. What is wanted stands in the catalog before anything is run: a wish for a look at everything in the policy's record, keys
 * that events told of in notes. Both are forgotten only when a run that began afterwards has succeeded, so that no crash and no failure
 * forgets a change. One process at a time runs a policy.
 */
export class PolicyRuns {
  readonly #options: PolicyRunsOptions

  constructor(options: PolicyRunsOptions) {
    this.#options = options
  }

  state(id: string): Promise<PolicyState | undefined> {
    return this.#options.records.read<PolicyState>(policyKeys.state(id))
  }

  /** Wishes for a look at everything. One that is wished for already and has not begun is enough. */
  async want(id: string, why: Wanted['why']): Promise<void> {
    const { records, random, clock } = this.#options
    const now = await records.now()
    const wanted: Wanted = { id: random.id(clock.now()), why, at: now }
    await records.change<PolicyState>(policyKeys.state(id), (before) => {
      const { retryAt: _, ...state } = before ?? emptyState()
      // What is asked for by hand does not wait for the next try.
      if (why === 'manual') return { ...state, wanted }
      const notBefore = why === 'gap' ? afterLast(state) : 0
      // What waits already may have begun, so it is wished for anew; it waits no longer for that.
      const earliest = state.wanted === undefined ? notBefore : Math.min(notBefore, state.wanted.notBefore ?? 0)
      return { ...(before ?? state), wanted: earliest > now ? { ...wanted, notBefore: earliest } : wanted }
    })
    await this.mark(id)
  }

  /** Notes that there is something to do about a policy. */
  async mark(id: string): Promise<void> {
    await this.#options.records.change(policyKeys.due + id, (before) => before ?? {})
  }

  /**
   * Does what is to be done about a policy.
   * @returns what it did; `busy` when somebody else is at it, `idle` when there was nothing to do
   */
  async run(policy: PolicyConfig, options: PolicyRunOptions = {}): Promise<PolicyRun | 'busy' | 'idle'> {
    const { records, random, clock } = this.#options
    const signal = options.signal ?? new AbortController().signal
    const key = policyKeys.state(policy.id)
    const holder = random.id(clock.now())
    const now = await records.now(signal)
    const state = await records.change<PolicyState>(
      key,
      (before) => (isHeld(before, now) ? before : { ...(before ?? emptyState()), ...holdBy(holder, now) }),
      signal,
    )
    if (state?.holder !== holder) return 'busy'
    let run: PolicyRun | 'idle' = 'idle'
    const hold = { records, clock, key, holder, what: `the policy "${policy.id}"` }
    await whileHeld(hold, signal, async (held) => {
      try {
        run = await this.#held(policy, state, { ...options, signal: held }, now)
      } finally {
        await this.#give(policy.id, holder)
      }
    })
    return run
  }

  async #held(
    policy: PolicyConfig,
    state: PolicyState,
    options: PolicyRunOptions & { signal: AbortSignal },
    startedAt: number,
  ): Promise<PolicyRun | 'idle'> {
    const { records, notes, work } = this.#options
    // Before the notes are read: what comes from now on leads to another mark.
    await records.delete(policyKeys.due + policy.id, options.signal)
    const task = taskOf(policy, dueOf(state, startedAt), await notes.take(policy.id, options.signal))
    if (task === undefined) {
      // What is wanted for later keeps its mark.
      if (state.wanted !== undefined) await this.mark(policy.id)
      return 'idle'
    }
    const done = await work.do(policy, { ...options, ...(task.keys === undefined ? {} : { keys: task.keys }) })
    if (done.status === 'success') await notes.forget(task.notes.records)
    return await this.#ended(policy, task, done, startedAt)
  }

  /** Writes down how a run ended. */
  async #ended(policy: PolicyConfig, task: Task, done: WorkDone, startedAt: number): Promise<PolicyRun> {
    const { records, random, events, notes } = this.#options
    const now = await records.now()
    const { syncs, failure, thrown, ...told } = done
    const error = failure === undefined ? {} : { error: { code: failure.code, message: failure.message } }
    const last: PolicyRunRecord = { trigger: task.trigger, startedAt, endedAt: now, ...told, ...error }
    const lags = done.status === 'success' && task.notes.changes.length > 0
    let lag: ReturnType<typeof addLags> | undefined
    const after = await records.change<PolicyState>(policyKeys.state(policy.id), (before) => {
      // It was removed meanwhile, with all that was known of it.
      if (before === undefined) return undefined
      const { retryAt: _, ...state } = before
      if (done.status === 'failed' || done.status === 'paused' || done.status === 'cancelled') {
        const isBusy = failure?.code === 'lease-held'
        const failed = done.status === 'failed' && !isBusy
        const failures = failed ? state.failures + 1 : state.failures
        const pause = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 20))
        const wait = isBusy ? busyMs : failed ? pause * (0.5 + random.next() / 2) : 0
        return { ...state, last, failures, retryAt: Math.ceil(now + wait) }
      }
      if (lags) lag = addLags(state.lag, task.notes.changes, now)
      const { wanted, ...rest } = state
      return {
        ...rest,
        // Another wish came meanwhile: it is for what this run may have passed already.
        ...(wanted !== undefined && wanted.id !== task.wanted?.id ? { wanted } : {}),
        ...(task.keys === undefined ? { reconciled: reconciledBy(policy, done, startedAt, now) } : {}),
        ...(lag === undefined ? {} : { lag: lag.record }),
        last,
        failures: 0,
      }
    })
    if (lag !== undefined) {
      const { record, ms, sinceHeardMs } = lag
      const count = task.notes.changes.length
      events.emit('policy.lag', { policyId: policy.id, count, ms, sinceHeardMs, smoothedMs: record.smoothedMs })
    }
    if (done.status === 'failed' && failure?.code !== 'lease-held') this.#alert(policy, failure, after?.failures ?? 1)
    const more = after?.wanted !== undefined || (await notes.any(policy.id))
    const again = after?.retryAt ?? (more ? now : undefined)
    if (again !== undefined) await this.mark(policy.id)
    return {
      policyId: policy.id,
      ...last,
      syncs,
      ...(thrown === undefined ? {} : { thrown }),
      ...(again === undefined ? {} : { again }),
    }
  }

  async #give(id: string, holder: string): Promise<void> {
    await this.#options.records.change<PolicyState>(policyKeys.state(id), (before) =>
      before?.holder === holder ? { ...before, ...free } : before,
    )
  }

  #alert(policy: PolicyConfig, failure: StowageError | undefined, failures: number): void {
    const { code, message } = failure ?? new StowageError('unavailable', 'Some objects failed.')
    this.#options.events.emit('alert', {
      severity: failures > 2 ? 'critical' : 'warning',
      code,
      message: `Policy "${policy.id}" failed and will be tried again: ${message}`,
    })
  }
}

function reconciledBy(policy: PolicyConfig, { taskId }: WorkDone, from: number, at: number): Reconciled {
  return { from, at, of: subjectOf(policy), ...(taskId === undefined ? {} : { taskId }) }
}

/** When a look that gaps want may begin: they take a tenth of the time at most, however often they come. */
function afterLast({ reconciled }: PolicyState): number {
  return reconciled === undefined ? 0 : reconciled.at + 10 * (reconciled.at - reconciled.from)
}

/** The look that is wanted, when its time has come. */
export function dueOf({ wanted }: PolicyState, now: number): Wanted | undefined {
  return wanted !== undefined && (wanted.notBefore ?? 0) <= now ? wanted : undefined
}

function taskOf(policy: PolicyConfig, wanted: Wanted | undefined, notes: TakenNotes): Task | undefined {
  if (wanted === undefined && notes.records.length === 0) return undefined
  // What only one key of a two-way sync means, its whole history tells.
  const all = wanted !== undefined || notes.tooMany || policy.twoWay === true
  const keys = all ? undefined : notes.changes.map(({ key }) => key)
  return { wanted, notes, trigger: wanted?.why ?? 'event', keys }
}
