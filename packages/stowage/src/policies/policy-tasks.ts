import { hasCode, StowageError, type SyncTask, toPrefix } from '@stowage/core'
import type { Hands, NewTask, QueuedTask, SyncResult, SyncTasks, TaskService } from '@stowage/sync'
import { isPrefixPair, type PolicyConfig } from '../config/index.ts'
import { isLeased } from '../records/index.ts'
import type { ChangeNotes } from './change-notes.ts'
import { emptyState, type PolicyState, policyKeys } from './policy-records.ts'
import { dueOf, type PolicyRun, type PolicyRuns } from './policy-runs.ts'
import type { PolicySet } from './policy-set.ts'
import type { PolicyWork } from './policy-work.ts'
import type { Records } from './records.ts'

/** Runs of a policy's task before the queue gives it up: about three hours. */
const ATTEMPTS = 20

/** The time after which one that was given up is tried again by itself, in milliseconds. */
const AGAIN_MS = 3_600_000

/** What lies so far ahead, in milliseconds, was written down by a clock that was wrong. */
const wrongMs = 86_400_000

export interface PolicyTasksOptions {
  records: Records
  set: PolicySet
  runs: PolicyRuns
  notes: ChangeNotes
  work: PolicyWork
  queue: TaskService
  tasks: SyncTasks
  newId: () => string
  /** Told of a policy whose run has ended here. */
  onEnded: (id: string) => void
}

/**
 * Makes tasks of the queue of what policies want, and does what is noted for a policy when its task is run. A policy has one task at a time, whose
 * id stands in its record before it is put into the queue: so many events are one task, any number of schedulers make one, and a crash
 * in between loses and doubles nothing.
 */
export class PolicyTasks {
  readonly #options: PolicyTasksOptions

  constructor(options: PolicyTasksOptions) {
    this.#options = options
  }

  /**
   * Sees to it that what a policy wants is in the queue.
   * @param now by the store's clock
   * @returns its task; `busy` when it is being run or another scheduler is at it, `nothing` when there is nothing to do, a time when there is nothing
   * to do before
   */
  async offer(policy: PolicyConfig, now: number): Promise<QueuedTask | 'busy' | 'nothing' | number> {
    const { records, runs, notes, queue, tasks, newId } = this.#options
    const state = await runs.state(policy.id)
    // One that is off does what somebody asks it for by hand, and nothing else.
    if (policy.enabled === false && !isByHand(state)) return 'nothing'
    if (isLeased(state, now)) return 'busy'
    let id = newId()
    if (state?.queued !== undefined) {
      // Its own record first: it comes with what the queue knows of it, and outlives that.
      const task = await tasks.get(state.queued)
      const known = await queue.state(state.queued)
      if (known !== undefined) return await this.#again(known, state, now)
      if (task !== undefined && state.retried === true) return await this.#putBack(policy.id, task.id)
      if (task?.status === 'cancelled') {
        const isOurs = await runs.withdraw(policy.id, task.id, task.completedAt ?? task.updatedAt)
        return isOurs ? 'nothing' : 'busy'
      }
      // Somebody died before it was in the queue.
      if (task === undefined) id = state.queued
    }
    const isDue = state !== undefined && dueOf(state, now) !== undefined
    if (!isDue && !(await notes.any(policy.id))) {
      if (state?.wanted?.notBefore !== undefined) return state.wanted.notBefore
      await runs.unmark(policy.id)
      return 'nothing'
    }
    // Where there was a record and is none, the policy was removed.
    const isSame = (other: PolicyState | undefined): boolean =>
      (other === undefined) === (state === undefined) &&
      other?.queued === state?.queued &&
      other?.retried === state?.retried &&
      other?.last?.endedAt === state?.last?.endedAt &&
      !isLeased(other, now)
    const after = await records.change<PolicyState>(policyKeys.state(policy.id), (before) =>
      isSame(before) ? { ...(before ?? emptyState()), queued: id } : before,
    )
    if (after?.queued !== id) return 'busy'
    await queue.enqueue(newTask(policy, id))
    return (await queue.state(id)) ?? 'busy'
  }

  /** Lets the task of a policy that waits for another try, or was given up, be run at once. */
  async hurry(policyId: string): Promise<void> {
    const { runs, queue } = this.#options
    const id = (await runs.state(policyId))?.queued
    const known = id === undefined ? undefined : await queue.state(id)
    if (id === undefined || (known?.state !== 'dead' && known?.state !== 'waiting')) return
    await this.#retry(id)
  }

  /**
   * Puts this task, which ran before, into the queue again: to look at everything.
   * @throws StowageError `conflict` when it is running or paused, and as {@link want}
   */
  async retry(task: SyncTask): Promise<void> {
    const { queue } = this.#options
    const known = await queue.state(task.id)
    // Refused there, before anything is wished for.
    if (known?.state === 'running' || known?.state === 'paused') return await queue.retry(task.id)
    await this.want(task)
    await this.#retry(task.id)
  }

  /**
   * Wishes for a look at everything by this task, which ran before. That stands in the policy's record before the task is in the queue, as with a new
   * one: so it stays the only one of the policy, and a scheduler makes up for a crash in between.
   * @throws StowageError `not-found` when there is no such policy any more, `conflict` when that has another task in the queue
   */
  async want({ id, policyId = '' }: SyncTask): Promise<void> {
    const { runs, set } = this.#options
    await set.fresh(true)
    set.get(policyId)
    for (;;) {
      const latest = (await runs.state(policyId))?.queued
      if (latest !== undefined && latest !== id) await this.#refuseBeside(policyId, latest)
      if (await runs.wantBy(policyId, id, latest)) return
    }
  }

  /** @throws StowageError `conflict` when a task is in the queue, or about to be */
  async #refuseBeside(policyId: string, taskId: string): Promise<void> {
    const { queue, tasks } = this.#options
    // Its own record first: it comes with what the queue knows of it, and outlives that.
    const task = await tasks.get(taskId)
    if (task !== undefined && (await queue.state(taskId)) === undefined) return
    throw new StowageError('conflict', `Policy "${policyId}" has another task in the queue: "${taskId}".`, {
      hint: 'Wait until that has ended, or retry it instead.',
    })
  }

  /** Takes the task of a policy that is removed out of the queue. */
  async drop(state: PolicyState | undefined): Promise<void> {
    if (state?.queued === undefined) return
    await this.#options.queue.cancel(state.queued).catch((error: unknown) => {
      if (!StowageError.isInstance(error) || error.code !== 'not-found') throw error
    })
  }

  /**
   * Does what is noted for the policy of a task. One whose policy was removed is cancelled.
   * @throws StowageError `not-found` when this worker does not know the policy, `lease-held` when it is being run, or what ended the run
   */
  async perform(task: SyncTask, signal: AbortSignal, hands: Hands): Promise<SyncResult> {
    const { set, runs, work, onEnded } = this.#options
    const policyId = task.policyId ?? ''
    await set.fresh()
    if (set.find(policyId) === undefined) await set.fresh(true)
    const policy = set.find(policyId)?.config
    if (policy === undefined) return await this.#unknown(task, policyId)
    if (hands.join) return await work.help(policy, { signal, taskId: task.id, hands })
    const isOff = policy.enabled === false && !isByHand(await runs.state(policyId))
    const run = isOff ? 'idle' : await runs.run(policy, { signal, taskId: task.id, hands })
    onEnded(policyId)
    if (run === 'idle') {
      // Perhaps because it was removed just now.
      await set.fresh(true)
      return set.find(policyId) === undefined ? await this.#unknown(task, policyId) : resultOf(task, undefined)
    }
    if (run === 'busy') throw new StowageError('lease-held', `Policy "${policyId}" is being run.`)
    if (run.thrown !== undefined) throw run.thrown
    return resultOf(task, run)
  }

  async #again(task: QueuedTask, state: PolicyState, now: number): Promise<QueuedTask | 'busy'> {
    const since = triedAt(task, state)
    const isEarly = state.retried === undefined && since + AGAIN_MS > now && since < now + wrongMs
    if (task.state !== 'dead' || isEarly) return task
    await this.#retry(task.id)
    return (await this.#options.queue.state(task.id)) ?? 'busy'
  }

  /** Somebody who asked for a task again died before it was in the queue. */
  async #putBack(policyId: string, id: string): Promise<QueuedTask | 'busy'> {
    const { runs, queue } = this.#options
    // It may have been put back, done and ended since that was read.
    if ((await runs.state(policyId))?.retried !== true) return 'busy'
    await this.#retry(id)
    return (await queue.state(id)) ?? 'busy'
  }

  async #retry(id: string): Promise<void> {
    await this.#options.queue.retry(id).catch((error: unknown) => {
      // It began, or ended, at this moment.
      if (!hasCode(error, 'conflict', 'not-found')) throw error
    })
  }

  /** What becomes of a task whose policy is not known here: that was removed, or only other workers are told of it. */
  async #unknown(task: SyncTask, policyId: string): Promise<SyncResult> {
    if ((await this.#options.runs.state(policyId))?.queued !== task.id) return resultOf(task, undefined, 'cancelled')
    throw new StowageError('not-found', `Policy "${policyId}" is not known to this worker.`, {
      hint: 'Give all workers the same policies, or remove the task.',
      retryable: true,
    })
  }
}

/** Whether somebody asked for what is wanted: a policy that is off does so, too. */
export function isByHand(state: PolicyState | undefined): boolean {
  return state?.wanted?.why === 'manual' || state?.retried === true
}

/** When it was last tried. Workers that died over it wrote down nothing in the record of the policy. */
function triedAt({ dueAt }: QueuedTask, { last }: PolicyState): number {
  return Math.max(last?.endedAt ?? 0, dueAt)
}

/** When the queue tries a policy's task again by itself. */
export function retryAtOf(task: QueuedTask | undefined, state: PolicyState): number | undefined {
  if (task?.state === 'dead') return triedAt(task, state) + AGAIN_MS
  return task?.state === 'waiting' && task.attempts > 0 ? task.dueAt : undefined
}

/** Places of datasets are those of whole sources; of `*` nobody knows yet which. */
function newTask(policy: PolicyConfig, id: string): NewTask {
  const [from, to] = isPrefixPair(policy)
    ? [placeOf(policy.from), placeOf(policy.to)]
    : [all(policy.from), all(policy.to)]
  return {
    id,
    policyId: policy.id,
    noted: true,
    sourceId: from.id,
    sourcePrefix: from.prefix,
    targetId: to.id,
    targetPrefix: to.prefix,
    maxAttempts: ATTEMPTS,
    ...(policy.priority === undefined ? {} : { priority: policy.priority }),
  }
}

interface Place {
  id: string
  prefix: string
}

function placeOf(text: string): Place {
  const colon = text.indexOf(':')
  return { id: text.slice(0, colon), prefix: toPrefix(text.slice(colon + 1)) }
}

function all(id: string): Place {
  return { id, prefix: '' }
}

/** What a run came to, as the queue wants to know it. */
function resultOf(task: SyncTask, run: PolicyRun | undefined, status: SyncResult['status'] = 'success'): SyncResult {
  const syncs = run?.syncs ?? []
  const sum = (of: (sync: PolicyRun['syncs'][number]) => number): number => syncs.reduce((all, one) => all + of(one), 0)
  const error = syncs.find((one) => one.error !== undefined)?.error
  return {
    taskId: task.id,
    status: run?.status ?? status,
    objects: run?.objects ?? { copied: 0, skipped: 0, deleted: 0, failed: 0, conflicts: 0 },
    bytes: {
      transferred: run?.bytes ?? 0,
      total: sum(({ bytes }) => bytes.total),
      resumed: sum(({ bytes }) => bytes.resumed),
    },
    seconds: sum(({ seconds }) => seconds),
    errors: syncs.flatMap(({ errors }) => errors).slice(0, 1000),
    warnings: syncs.flatMap(({ warnings }) => warnings),
    ...(error === undefined ? {} : { error }),
  }
}
