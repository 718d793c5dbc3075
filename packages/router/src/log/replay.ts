import { StowageError } from '@stowage/core'
import { type Decision, decide } from '../decide/index.ts'
import { canonicalJson } from '../hash/index.ts'
import type { RuleSet } from '../rules/index.ts'
import { DECISION_FORMAT, type DecisionRecord, outcomeOf } from './record.ts'

/** A decision made once more. */
export interface Replay {
  decision: Decision
  /** Whether it is what the record says. It is, unless the record was changed. */
  same: boolean
}

/**
 * Makes a recorded decision once more, in full, from what it was made from.
 *
 * @param rules the set whose hash the record has
 * @throws StowageError `invalid-request` when they are another set, `newer-format` for a record of another version
 */
export function replay(rules: RuleSet, record: DecisionRecord): Replay {
  if (rules.hash !== record.ruleSetHash) {
    throw new StowageError('invalid-request', `Decision "${record.id}" was made by other rules.`, {
      hint: `Take the set ${record.ruleSetHash}; this one is ${rules.hash}.`,
    })
  }
  assertFormat(record)
  const decision = decide(rules, record.request, record.world)
  const expected = { ...outcomeOf(decision), ...(record.trace === undefined ? {} : { trace: decision }) }
  const { candidates, dropped, ruleIds, panic, trace } = record
  return { decision, same: canonicalJson({ candidates, dropped, ruleIds, panic, trace }) === canonicalJson(expected) }
}

/** A decision that other rules would have made differently. */
export interface Change {
  record: DecisionRecord
  /** What the other rules would have decided. */
  decision: Decision
  /** The order as it was. */
  before: string[]
  after: string[]
  /** `first` when another source would have been used; `order` when only the alternatives differ; `none` when nothing would be left. */
  kind: 'first' | 'order' | 'none'
}

/** What other rules would have changed. */
export interface DryRun {
  ruleSetHash: string
  /** Decisions looked at. */
  decisions: number
  changes: Change[]
}

/**
 * Asks what would have changed if recorded decisions had been made by other rules.
 *
 * @example
 * ```ts
 * const { changes } = dryRun(compileRules(proposed), records)
 * for (const { record, before, after } of changes) console.log(record.id, before[0], '->', after[0])
 * ```
 */
export function dryRun(rules: RuleSet, records: Iterable<DecisionRecord>): DryRun {
  const changes: Change[] = []
  let decisions = 0
  for (const record of records) {
    assertFormat(record)
    decisions++
    const decision = decide(rules, record.request, record.world)
    const before = record.candidates
    const after = decision.candidates.map(({ sourceId }) => sourceId)
    if (before.length === after.length && before.every((id, i) => id === after[i])) continue
    const kind = after.length === 0 ? 'none' : before[0] === after[0] ? 'order' : 'first'
    changes.push({ record, decision, before, after, kind })
  }
  return { ruleSetHash: rules.hash, decisions, changes }
}

function assertFormat({ id, format }: DecisionRecord): void {
  if (format === DECISION_FORMAT) return
  throw new StowageError('newer-format', `Decision "${id}" was recorded in format ${format}.`, {
    hint: `This version computes decisions of format ${DECISION_FORMAT}; use the one that recorded it.`,
  })
}
