import { createHash } from 'node:crypto'
import type { PolicyConfig } from '../config/index.ts'
import type { Leased } from '../records/index.ts'
import type { LagRecord } from './lag.ts'

/** A policy of the catalog. Times are the store's clock, in milliseconds since the epoch. */
export interface StoredPolicy extends PolicyConfig {
  createdAt: number
  updatedAt: number
  /** Since then it is as it is and enabled: earlier times of its schedule were not missed. */
  since: number
}

/** All policies of the catalog, in one record: who follows them reads one record a second. */
export interface PolicyList {
  policies: StoredPolicy[]
}

/** What led to a run. */
export type PolicyTrigger = 'schedule' | 'reconcile' | 'gap' | 'event' | 'manual'

/** A look at everything that is wanted, until one that began afterwards has succeeded. */
export interface Wanted {
  /** Its own name: another wish is another look. */
  id: string
  why: Exclude<PolicyTrigger, 'event'>
  at: number
  /** It is not begun before, so that gaps that come again and again do not keep a store busy with listings. */
  notBefore?: number
}

/** How a run of a policy ended. */
export interface PolicyRunRecord {
  trigger: PolicyTrigger
  status: 'success' | 'failed' | 'paused' | 'cancelled'
  startedAt: number
  endedAt: number
  taskId?: string
  objects: { copied: number; skipped: number; deleted: number; failed: number; conflicts: number }
  bytes: number
  error?: { code: string; message: string }
}

/** A look at everything that succeeded. */
export interface Reconciled {
  from: number
  at: number
  taskId?: string
  /** What the policy was about then: {@link subjectOf}. */
  of?: string
}

/** Changes when a policy is about other objects, or another target. */
export function subjectOf({ from, to, twoWay, include, exclude, tags }: PolicyConfig): string {
  const text = JSON.stringify([from, to, twoWay ?? false, include ?? [], exclude ?? [], tags ?? []])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** What is known of a policy's work. Whoever runs it has its lease. */
export interface PolicyState extends Leased {
  /** The schedule, or the times of reconciliation, that `lastSlot` is of. */
  schedule?: string
  /** The last time of the schedule that was seen to. */
  lastSlot?: number
  /** Times of the schedule that led to no run, because the one before was still at it. */
  skipped?: number
  wanted?: Wanted
  /** The last run that looked at everything and succeeded: all that was written before `from` is in the target. */
  reconciled?: Reconciled
  last?: PolicyRunRecord
  /** Runs in a row that failed. */
  failures: number
  /** Its task: the one that waits or runs, or the last one. */
  queued?: string
  /** Somebody asked for that task to be done again: it is put into the queue, whatever became of it, and no other one is made until it has begun. */
  retried?: true
  /** When a run of it was cancelled, unless everything was looked at since. */
  cancelledAt?: number
  lag?: LagRecord
}

export const policyKeys = {
  list: 'policy/list',
  state: (id: string): string => `policy/state/${id}`,
  /** Present while there is something to do, so that one listing tells of all policies. */
  due: 'policy/due/',
  changes: (id: string): string => `policy/changes/${id}/`,
  watch: (sourceId: string): string => `policy/watch/${sourceId}`,
  /** Whose turn it is of policies that write to where others of them read. */
  ring: 'policy/ring/',
  /** Which process is at which publication. */
  holders: 'policy/outbox/',
} as const

export function emptyState(): PolicyState {
  return { failures: 0 }
}
