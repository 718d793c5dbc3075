import type { Facts, ParsedRule, ParsedSelector } from '../rules/index.ts'

/** A selector and the rule it comes from. */
export interface Selection {
  readonly ruleId: string
  readonly selector: ParsedSelector
}

/** What the rules that apply have to say, the one that counts most first. */
export interface Effects {
  readonly facts: Facts
  readonly prefer: Selection[]
  readonly tieBreak: Selection[]
  readonly require: Selection[]
  readonly exclude: Selection[]
  readonly permit: Selection[]
  readonly weight: Map<string, number>
}

const kinds = ['prefer', 'tieBreak', 'require', 'exclude', 'permit'] as const

/** Sorts the effects of rules by kind. */
export function effectsOf(rules: readonly ParsedRule[], facts: Facts): Effects {
  const effects: Effects = { facts, prefer: [], tieBreak: [], require: [], exclude: [], permit: [], weight: new Map() }
  for (const { id, then } of rules) {
    for (const kind of kinds) {
      const selector = then[kind]
      if (selector !== undefined) effects[kind].push({ ruleId: id, selector })
    }
    if (then.weight === undefined) continue
    for (const [sourceId, weight] of Object.entries(then.weight)) {
      if (!effects.weight.has(sourceId)) effects.weight.set(sourceId, weight)
    }
  }
  return effects
}
