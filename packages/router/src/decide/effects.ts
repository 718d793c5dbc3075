import type { Facts, ParsedRule, RuleSet } from '../rules/index.ts'
import type { RouteSource } from '../world.ts'
import { type Preference, type Scope, SourceSet } from './source-set.ts'

/** By the place of a source: the first rule that says something of it. */
type ByPlace = readonly (string | undefined)[]

/** What the rules that apply have to say, source by source. */
export interface Effects {
  readonly facts: Facts
  /** The rules that applied, in the order in which they count. */
  readonly ruleIds: string[]
  readonly prefer: Preference[]
  readonly tieBreak: Preference[]
  readonly preferredBy: ByPlace
  readonly tiedBy: ByPlace
  readonly excludedBy: ByPlace
  /** Rules that require others. */
  readonly unmetBy: ByPlace
  readonly permittedBy: ByPlace
  /** Rules that bind the data to regions in which the source is not. */
  readonly outsideBy: ByPlace
  readonly weights: ReadonlyMap<string, number>
  readonly spill: (NonNullable<ParsedRule['then']['spill']> & { ruleId: string }) | undefined
  readonly chooseTwo: boolean
}

/** Asks every rule that may apply what it says of every source. */
export function effectsOf(rules: RuleSet, facts: Facts, sources: readonly RouteSource[]): Effects {
  const set = new SourceSet(sources, facts)
  const ruleIds: string[] = []
  const preferred = set.said()
  const tied = set.said()
  const excluded = set.said()
  const unmet = set.said()
  const permitted = set.said()
  const outside = set.said()
  const prefer: Preference[] = []
  const tieBreak: Preference[] = []
  const weights = new Map<string, number>()
  let spill: Effects['spill']
  let choose: 'stable' | 'two' | undefined
  for (const rule of rules.match(facts)) {
    const scope: Scope | undefined = rule.aboutSources ? set.scopeOf(rule.when) : 'all'
    if (scope === undefined) continue
    const { id, then } = rule
    ruleIds.push(id)
    if (then.prefer !== undefined) set.order(prefer, preferred, id, then.prefer, scope)
    if (then.tieBreak !== undefined) set.order(tieBreak, tied, id, then.tieBreak, scope)
    if (then.exclude !== undefined) set.say(excluded, id, then.exclude, scope)
    if (then.require !== undefined) set.sayOfOthers(unmet, id, then.require, scope)
    if (then.permit !== undefined) set.say(permitted, id, then.permit, scope)
    if (then.residency !== undefined) set.sayOfOthers(outside, id, { region: then.residency }, scope)
    // The rule that counts most decides on a source's weight.
    for (let i = 0; i < rule.weights.length; i++) {
      const [sourceId, weight] = rule.weights[i] as (typeof rule.weights)[number]
      if (!weights.has(sourceId) && set.has(scope, sourceId)) weights.set(sourceId, weight)
    }
    if (then.spill !== undefined) spill ??= { ...then.spill, ruleId: id }
    choose ??= then.choose
  }
  return {
    facts,
    ruleIds,
    prefer,
    tieBreak,
    preferredBy: preferred.by,
    tiedBy: tied.by,
    excludedBy: excluded.by,
    unmetBy: unmet.by,
    permittedBy: permitted.by,
    outsideBy: outside.by,
    weights,
    spill,
    chooseTwo: choose === 'two',
  }
}
