import type { ObjectBounds } from '@stowage/core'

/** What a policy may carry over from the options of a sync. For prefix pairs only. */
export interface PolicySyncOptions extends ObjectBounds {
  /** Carry changes of either side over to the other. @defaultValue false */
  twoWay?: boolean
  /** With `twoWay`: whose version keeps its name when both sides changed an object. @defaultValue 'keep-both' */
  conflict?: 'newer' | 'source' | 'target' | 'keep-both'
  /** Delete objects of the target that the source does not have. @defaultValue false; with `twoWay`, true */
  delete?: boolean
  /** Delete nothing when more than this share of the target's objects would go, in percent. @defaultValue 50 */
  maxDeletePercent?: number
  /** Delete nothing when more objects than this would go. @defaultValue as many as `maxDeletePercent` lets go */
  maxDeleteCount?: number
  /** Globs of keys that take part, relative to the prefixes. @defaultValue all */
  include?: string[]
  /** Globs of keys that do not take part. @defaultValue none */
  exclude?: string[]
}

/**
 * What is kept in step, and when. The subject is a prefix pair when `from` and `to` are locations `SOURCE_ID:PREFIX`, and versions of datasets
 * when they are source ids.
 *
 * - `publish`: each version that is published, at once. For datasets.
 * - `event`: what events tell to have changed under `from`, backed by reconciliations. For prefix pairs.
 * - `schedule`: all that is missing, at the times of `schedule`.
 * - `manual`: all that is missing, when it is asked for.
 */
export interface PolicyConfig extends PolicySyncOptions {
  /** Lower-case letters, digits, `-` and `_`. */
  id: string
  on: 'publish' | 'event' | 'schedule' | 'manual'
  /** A location `SOURCE_ID:PREFIX`; for datasets the id of the source that versions are published on, or `*` for any. */
  from: string
  /** A location `SOURCE_ID:PREFIX`; for datasets the id of the source that gets a replica. */
  to: string
  /**
   * For `schedule`: a cron expression of five fields (minute, hour, day of the month, month, day of the week), or `@hourly`, `@daily`,
   * `@weekly`, `@monthly`.
   */
  schedule?: string
  /** The time zone of `schedule` and of a `reconcile` that is a cron expression, by its name in the IANA database. @defaultValue 'UTC' */
  timeZone?: string
  /** What a time of `schedule` does while the run before is still at it: nothing, or one run after it. @defaultValue 'skip' */
  overlap?: 'skip' | 'queue'
  /** What times of `schedule` that passed while no scheduler was there lead to: one run in all, or none. @defaultValue 'once' */
  missed?: 'once' | 'skip'
  /** For datasets: only those that have all of these tags. */
  tags?: string[]
  /** Tasks of a policy with a larger number, from -100 to 100, are begun sooner. @defaultValue 0 */
  priority?: number
  /** For `event`: how often everything is looked at, whatever events told: a time such as `90m`, `24h` or `7d`, or a cron expression. @defaultValue '24h' */
  reconcile?: string
  /** For `event`: milliseconds for which events are collected before they lead to a task. @defaultValue 1000 */
  debounceMs?: number
  /** @defaultValue true */
  enabled?: boolean
}

/** Whether a policy keeps two prefixes in step, rather than bringing versions of datasets. */
export function isPrefixPair(policy: Pick<PolicyConfig, 'on' | 'from'>): boolean {
  return policy.on !== 'publish' && policy.from.includes(':')
}

/** The source ids that a policy names; `*` is none. */
export function sourcesOf(policy: Pick<PolicyConfig, 'on' | 'from' | 'to'>): { field: 'from' | 'to'; id: string }[] {
  return (['from', 'to'] as const).flatMap((field) => {
    const text = policy[field]
    const id = isPrefixPair(policy) ? text.slice(0, text.indexOf(':')) : text
    return field === 'from' && id === '*' && !isPrefixPair(policy) ? [] : [{ field, id }]
  })
}
