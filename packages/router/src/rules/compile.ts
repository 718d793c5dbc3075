import { compareKeys } from '@stowage/core'
import { canonicalJson, hashText, toHex } from '../hash/index.ts'
import { defaultRules } from './defaults.ts'
import type { Facts } from './facts.ts'
import { RuleIndex } from './rule-index.ts'
import { type ParsedRule, parseRouting } from './schema.ts'

/** Rules made ready for `decide`. Never changes; other rules are another rule set. */
export interface RuleSet {
  /** 16 hexadecimal digits; equal for rules that are equal, however they were written down. */
  readonly hash: string
  readonly panic: 'reads' | 'never'
  /** The rules that are enabled, in the order in which they count. */
  readonly rules: readonly ParsedRule[]
  /** Those that apply, in order. */
  match(facts: Facts): readonly ParsedRule[]
}

/**
 * Checks rules and compiles them. Takes a list of `Rule`, or `RoutingOptions`; `undefined` or `{}` gives the default rules alone.
 *
 * @throws StowageError `configuration` that names the rule and the field that are wrong
 *
 * @example
 * ```ts
 * const rules = compileRules([{ id: 'gpu-a', when: { region: 'cn-sz' }, then: { prefer: ['lan'] } }])
 * ```
 */
export function compileRules(rules?: unknown): RuleSet {
  const parsed = parseRouting(rules)
  const own = new Set(parsed.rules.map((rule) => rule.id))
  const defaults = parsed.defaults ? parseRouting(defaultRules).rules.filter((rule) => !own.has(rule.id)) : []
  const all = [...parsed.rules, ...defaults].filter((rule) => rule.enabled)
  all.sort((a, b) => a.priority - b.priority || compareKeys(a.id, b.id))
  const index = new RuleIndex(all)
  return {
    hash: toHex(hashText(canonicalJson({ rules: all, panic: parsed.panic }))),
    panic: parsed.panic,
    rules: all,
    match: (facts) => index.match(facts),
  }
}
