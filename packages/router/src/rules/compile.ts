import { compareKeys } from '@stowage/core'
import { canonicalJson, hashText, toHex } from '../hash/index.ts'
import type { CompiledRule } from './compiled-rule.ts'
import { speaksOfSources } from './condition.ts'
import { defaultRules } from './defaults.ts'
import type { Facts } from './facts.ts'
import { RuleIndex } from './rule-index.ts'
import { type ParsedRouting, type ParsedRule, type ParsedSelector, parseRouting } from './schema.ts'

/** Rules made ready for `decide`. Never changes; other rules are another rule set. */
export interface RuleSet {
  /** 16 hexadecimal digits; equal for rules that are equal, however they were written down. */
  readonly hash: string
  readonly panic: 'reads' | 'never'
  /** The rules that are enabled, in the order in which they count. */
  readonly rules: readonly CompiledRule[]
  /** Those whose conditions about the request hold, in order; what they ask of sources is still open. */
  match(facts: Facts): readonly CompiledRule[]
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
  const known = new Map<string, ParsedSelector>()
  const ready = all.map((rule) => ({
    id: rule.id,
    priority: rule.priority,
    enabled: rule.enabled,
    when: rule.when,
    then: shareSelectors(rule.then, known),
    aboutSources: speaksOfSources(rule.when),
    weights: Object.entries(rule.then.weight ?? {}),
  }))
  const index = new RuleIndex(ready)
  return {
    hash: toHex(hashText(canonicalJson({ rules: all, panic: parsed.panic }))),
    panic: parsed.panic,
    rules: ready,
    match: (facts) => index.match(facts),
  }
}

/**
 * A rule set as data that can be kept: `compileRules` of it gives a set of the same hash, which decides the same.
 *
 * @example
 * ```ts
 * await keep(set.hash, JSON.stringify(ruleSetData(set)))
 * ```
 */
export function ruleSetData({ rules, panic }: RuleSet): ParsedRouting {
  return {
    rules: rules.map(({ id, priority, enabled, when, then }) => ({ id, priority, enabled, when, then })),
    defaults: false,
    panic,
  }
}

/** All fields are there, also those that are not set, and in one order: objects of one shape are read fastest. */
function shareSelectors(then: ParsedRule['then'], known: Map<string, ParsedSelector>): ParsedRule['then'] {
  const share = (selector: ParsedSelector | undefined): ParsedSelector | undefined => {
    if (selector === undefined) return undefined
    const text = canonicalJson(selector)
    const first = known.get(text) ?? selector
    known.set(text, first)
    return first
  }
  return {
    prefer: share(then.prefer),
    tieBreak: share(then.tieBreak),
    require: share(then.require),
    exclude: share(then.exclude),
    permit: share(then.permit),
    weight: then.weight,
    residency: then.residency,
    spill: then.spill,
    choose: then.choose,
  }
}
