import { type Clock, type Events, hasCode, type Random, StowageError, type SyncProgress } from '@stowage/core'
import type { Lease } from '@stowage/sync'
import type { PolicyConfig } from '../config/index.ts'
import type { ChangeNotes, TakenNotes } from './change-notes.ts'
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
import { type Turn, takeTurn } from './rings.ts'

export interface PolicyRunsOptions {
  records: Records
  notes: ChangeNotes
  work: PolicyWork
  /** All policies that are known. */
  all: () => readonly PolicyConfig[]
  clock: Clock
  random: Random
  events: Events
}

export interface PolicyRunOptions extends Pick<WorkOptions, 'timeLimitMs' | 'taskId' | 'hands'> {
  signal?: AbortSignal
  onProgress?: (progress: SyncProgress) => void
}

/** One run of a policy. */
export interface PolicyRun extends PolicyRunRecord {
  policyId: string
  syncs: WorkDone['syncs']
  /** What the work threw, when that ended it. */
  thrown?: StowageError
  /** There is more to do. */
  more: boolean
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
      const state = before ?? emptyState()
      if (why === 'manual') return { ...state, wanted }
      const notBefore = why === 'gap' ? afterLast(state) : 0
      // What waits already may have begun, so it is wished for anew; it waits no longer for that.
      const earliest = state.wanted === undefined ? notBefore : Math.min(notBefore, state.wanted.notBefore ?? 0)
      return { ...state, wanted: earliest > now ? { ...wanted, notBefore: earliest } : wanted }
    })
    await this.mark(id)
  }

  /**
   * Wishes for a look at everything by a task that the policy had before. The wish and whose it is are written in one step, so that no
   * scheduler makes another task of it.
   * @param latest the policy's task when that was looked at
   * @returns whether the policy has no other task by now
   */
  async wantBy(id: string, taskId: string, latest: string | undefined): Promise<boolean> {
    const { records, random, clock } = this.#options
    const now = await records.now()
    const wanted: Wanted = { id: random.id(clock.now()), why: 'manual', at: now }
    const after = await records.change<PolicyState>(policyKeys.state(id), (before) =>
      before?.queued === latest ? { ...(before ?? emptyState()), wanted, queued: taskId, retried: true } : before,
    )
    if (after?.wanted?.id !== wanted.id) return false
    await this.mark(id)
    return true
  }

  /** Notes that there is something to do about a policy. */
  async mark(id: string): Promise<void> {
    await this.#options.records.change(policyKeys.due + id, (before) => before ?? {})
  }

  /** Takes the mark off a policy that there is nothing to do about. */
  async unmark(id: string): Promise<void> {
    const { records, notes } = this.#options
    // Before it is looked at: what comes from now on leads to another mark.
    await records.delete(policyKeys.due + id)
    const wanted = (await this.state(id))?.wanted
    if (wanted !== undefined || (await notes.any(id))) await this.mark(id)
  }

  /**
   * Gives up what was wanted of a policy before a time, since its task was cancelled then and had not begun. What events told of is not forgotten:
   * whatever leads to the next run, that looks at everything.
   * @returns whether nobody else was at it
   */
  async withdraw(id: string, taskId: string, cancelledAt: number): Promise<boolean> {
    const { records, notes } = this.#options
    const never = new AbortController().signal
    const choose = (before: PolicyState | undefined): PolicyState | undefined =>
      before?.queued === taskId && before.retried === undefined ? before : undefined
    const lease = await records.take(policyKeys.state(id), `the policy "${id}"`, choose, never)
    if (lease === undefined) return false
    try {
      await records.delete(policyKeys.due + id)
      const noted = await notes.list(id, never)
      const { wanted } = await lease.release((state) => withdrawn(state, cancelledAt, (wish) => wish.at <= cancelledAt))
      const isNew = await notes.anyAfter(noted, cancelledAt, never)
      if (!isNew) await notes.forget(noted)
      if (isNew || wanted !== undefined) await this.mark(id)
    } finally {
      await given(lease.release())
    }
    return true
  }

  /**
   * Does what is to be done about a policy.
   * @returns what it did; `busy` when somebody else is at it, `idle` when there was nothing to do
   * @throws StowageError `lease-held` when it is another policy's turn, which writes to where this one reads, and reads where it writes
   */
  async run(policy: PolicyConfig, options: PolicyRunOptions = {}): Promise<PolicyRun | 'busy' | 'idle'> {
    const { records } = this.#options
    const signal = options.signal ?? new AbortController().signal
    let startedAt = 0
    let isGone = false
    const choose = (before: PolicyState | undefined, now: number): PolicyState | undefined => {
      startedAt = now
      // A task of the queue stands in the record before it is in the queue: without one the policy was removed just now.
      isGone = before === undefined && options.taskId !== undefined
      if (isGone) return undefined
      return begun(before ?? emptyState(), options.taskId)
    }
    const lease = await records.take(policyKeys.state(policy.id), `the policy "${policy.id}"`, choose, signal)
    if (lease === undefined) return isGone ? 'idle' : 'busy'
    try {
      const held = AbortSignal.any([signal, lease.signal])
      return await this.#held(policy, lease, { ...options, signal: held }, startedAt)
    } finally {
      await given(lease.release())
    }
  }

  async #held(
    policy: PolicyConfig,
    lease: Lease<PolicyState>,
    options: PolicyRunOptions & { signal: AbortSignal },
    startedAt: number,
  ): Promise<PolicyRun | 'idle'> {
    const { records, notes, work } = this.#options
    // Before the notes are read: what comes from now on leads to another mark.
    await records.delete(policyKeys.due + policy.id, options.signal)
    const { cancelledAt } = lease.value
    const taken = await notes.take(policy.id, options.signal)
    const task = taskOf(policy, dueOf(lease.value, startedAt), taken, cancelledAt !== undefined)
    if (task === undefined) {
      // What is wanted for later keeps its mark.
      if (lease.value.wanted !== undefined) await this.mark(policy.id)
      return 'idle'
    }
    const done = await this.#inTurn(policy, task, options.signal, (signal) =>
      work.do(policy, { ...options, signal, ...(task.keys === undefined ? {} : { keys: task.keys }) }),
    )
    if (done.status === 'success') await notes.forget(task.notes.records)
    return await this.#ended(policy, lease, task, done, startedAt)
  }

  /** Works when it is the turn of a policy among those that it goes round in a ring with. */
  async #inTurn<T>(
    policy: PolicyConfig,
    task: Task,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { records, all } = this.#options
    let turn: Lease<Turn> | undefined
    try {
      turn = await takeTurn(records, policy, all(), { isWhole: task.keys === undefined, signal })
    } catch (error) {
      await this.mark(policy.id)
      throw error
    }
    if (turn === undefined) return await work(signal)
    try {
      return await work(AbortSignal.any([signal, turn.signal]))
    } finally {
      // The record stays: it says who waits.
      await given(turn.release())
    }
  }

  /** Writes down how a run ended, unless the policy was taken over, or removed with all that was known of it. */
  async #ended(
    policy: PolicyConfig,
    lease: Lease<PolicyState>,
    task: Task,
    done: WorkDone,
    startedAt: number,
  ): Promise<PolicyRun> {
    const { records, events, notes } = this.#options
    const now = await records.now()
    const { syncs, failure, thrown, ...told } = done
    const error = failure === undefined ? {} : { error: { code: failure.code, message: failure.message } }
    const last: PolicyRunRecord = { trigger: task.trigger, startedAt, endedAt: now, ...told, ...error }
    const lags = done.status === 'success' && task.notes.changes.length > 0
    let lag: ReturnType<typeof addLags> | undefined
    const change = (state: PolicyState): PolicyState => {
      if (done.status === 'cancelled') return { ...withdrawn(state, now, (wish) => wish.id === task.wanted?.id), last }
      if (done.status !== 'success') {
        const failed = done.status === 'failed' && failure?.code !== 'lease-held'
        return { ...state, last, failures: failed ? state.failures + 1 : state.failures }
      }
      if (lags) lag = addLags(state.lag, task.notes.changes, now)
      const { wanted, cancelledAt, ...rest } = state
      return {
        ...rest,
        // Another wish came meanwhile: it is for what this run may have passed already.
        ...(wanted !== undefined && wanted.id !== task.wanted?.id ? { wanted } : {}),
        ...(task.keys !== undefined && cancelledAt !== undefined ? { cancelledAt } : {}),
        ...(task.keys === undefined ? { reconciled: reconciledBy(policy, done, startedAt, now) } : {}),
        ...(lag === undefined ? {} : { lag: lag.record }),
        last,
        failures: 0,
      }
    }
    const after = await given(lease.release(change))
    if (done.status === 'cancelled' && after !== undefined) await notes.forget(task.notes.records)
    if (lag !== undefined) {
      const { record, ms, sinceHeardMs } = lag
      const count = task.notes.changes.length
      events.emit('policy.lag', { policyId: policy.id, count, ms, sinceHeardMs, smoothedMs: record.smoothedMs })
    }
    if (done.status === 'failed' && failure?.code !== 'lease-held') this.#alert(policy, failure, after?.failures ?? 1)
    const more = after?.wanted !== undefined || (await notes.any(policy.id))
    if (more) await this.mark(policy.id)
    return {
      policyId: policy.id,
      ...last,
      syncs,
      ...(thrown === undefined ? {} : { thrown }),
      more,
    }
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

/** What was written with the end of a lease; `undefined` when that was lost before. */
async function given<T>(release: Promise<T>): Promise<T | undefined> {
  try {
    return await release
  } catch (error) {
    if (hasCode(error, 'lease-lost')) return undefined
    throw error
  }
}

function reconciledBy(policy: PolicyConfig, { taskId }: WorkDone, from: number, at: number): Reconciled {
  return { from, at, of: subjectOf(policy), ...(taskId === undefined ? {} : { taskId }) }
}

/** The task that was asked for again has begun: what becomes of it from now on is its own end. */
function begun(state: PolicyState, taskId: string | undefined): PolicyState {
  if (state.retried === undefined || state.queued !== taskId) return state
  const { retried: _, ...rest } = state
  return rest
}

/** When a look that gaps want may begin: they take a tenth of the time at most, however often they come. */
function afterLast({ reconciled }: PolicyState): number {
  return reconciled === undefined ? 0 : reconciled.at + 10 * (reconciled.at - reconciled.from)
}

/** The look that is wanted, when its time has come. */
export function dueOf({ wanted }: PolicyState, now: number): Wanted | undefined {
  return wanted !== undefined && (wanted.notBefore ?? 0) <= now ? wanted : undefined
}

/** What is left once a run was cancelled. @param isOver whether a wish was that of the run */
function withdrawn(
  { wanted, queued: _, ...state }: PolicyState,
  cancelledAt: number,
  isOver: (wanted: Wanted) => boolean,
): PolicyState {
  return { ...state, cancelledAt, ...(wanted === undefined || isOver(wanted) ? {} : { wanted }) }
}

/** @param missed events were given up with an earlier run */
function taskOf(
  policy: PolicyConfig,
  wanted: Wanted | undefined,
  notes: TakenNotes,
  missed: boolean,
): Task | undefined {
  if (wanted === undefined && notes.records.length === 0) return undefined
  // What only one key of a two-way sync means, its whole history tells.
  const all = wanted !== undefined || notes.tooMany || policy.twoWay === true || missed
  const keys = all ? undefined : notes.changes.map(({ key }) => key)
  return { wanted, notes, trigger: wanted?.why ?? 'event', keys }
}
