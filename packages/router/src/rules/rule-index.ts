import { routePurposes } from '../request.ts'
import { holds } from './condition.ts'
import type { Facts } from './facts.ts'
import type { ParsedCondition, ParsedRule } from './schema.ts'

/** Fields with many values, of which a rule can be filed under one. */
const fields = ['userId', 'workspaceId', 'datasetId', 'tag', 'region'] as const
type Field = (typeof fields)[number]
type Needs = Map<Field | 'purpose' | 'userType', ReadonlySet<string>>

/** Stands for an actor without a region; no region has a NUL in its name. */
const NO_REGION = '\0'

interface Bucket {
  /** Positions of rules that name no field, and by field and value of those that do. */
  readonly always: number[]
  readonly by: Record<Field, Map<string, number[]>>
}

/**
 * Finds the rules that apply without looking at those that cannot. Every rule is filed under purpose and user type, and there under the
 * values of that one of its fields that it shares with the fewest other rules. What is found is then tested in full.
 */
export class RuleIndex {
  readonly #rules: readonly ParsedRule[]
  readonly #buckets = new Map<string, Bucket>()

  /** @param rules in the order in which they count */
  constructor(rules: readonly ParsedRule[]) {
    this.#rules = rules
    const needs = rules.map((rule) => needsOf(rule.when))
    const sharing = countSharing(needs)
    for (const [position, need] of needs.entries()) this.#file(position, need, sharing)
  }

  /** The rules that apply, in order. */
  match(facts: Facts): ParsedRule[] {
    const bucket = this.#buckets.get(`${facts.purpose}/${facts.userType}`)
    if (bucket === undefined) return []
    const found = bucket.always.slice()
    collect(found, bucket.by.userId, facts.userId)
    collect(found, bucket.by.workspaceId, facts.workspaceId)
    collect(found, bucket.by.datasetId, facts.datasetId)
    collect(found, bucket.by.region, facts.region ?? NO_REGION)
    for (const tag of facts.tags) collect(found, bucket.by.tag, tag)
    found.sort((a, b) => a - b)
    const matched: ParsedRule[] = []
    for (let i = 0; i < found.length; i++) {
      // Two tags may have led to one rule.
      if (i > 0 && found[i] === found[i - 1]) continue
      const rule = this.#rules[found[i] as number] as ParsedRule
      if (holds(rule.when, facts)) matched.push(rule)
    }
    return matched
  }

  #file(position: number, need: Needs, sharing: ReadonlyMap<string, number>): void {
    const field = rarest(need, sharing)
    for (const purpose of need.get('purpose') ?? routePurposes) {
      for (const userType of need.get('userType') ?? ['external', 'internal']) {
        const bucket = this.#bucket(`${purpose}/${userType}`)
        if (field === undefined) bucket.always.push(position)
        else for (const value of need.get(field) ?? []) append(bucket.by[field], value, position)
      }
    }
  }

  #bucket(name: string): Bucket {
    let bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      const by = { userId: new Map(), workspaceId: new Map(), datasetId: new Map(), tag: new Map(), region: new Map() }
      bucket = { always: [], by }
      this.#buckets.set(name, bucket)
    }
    return bucket
  }
}

function append(map: Map<string, number[]>, value: string, position: number): void {
  const list = map.get(value)
  if (list === undefined) map.set(value, [position])
  else list.push(position)
}

function collect(found: number[], map: Map<string, number[]>, value: string | undefined): void {
  const list = value === undefined ? undefined : map.get(value)
  if (list !== undefined) for (const position of list) found.push(position)
}

/** For each field, values of which one must be there for the condition to hold. */
function needsOf(when: ParsedCondition): Needs {
  const needs: Needs = new Map()
  const add = (field: Field | 'purpose' | 'userType', values: ReadonlySet<string>): void => {
    const known = needs.get(field)
    if (known === undefined || values.size < known.size) needs.set(field, values)
  }
  for (const field of ['purpose', 'userType', 'userId', 'workspaceId', 'datasetId', 'tag'] as const) {
    if (when[field] !== undefined) add(field, new Set(when[field]))
  }
  if (when.region !== undefined) add('region', new Set(when.region.map((region) => region ?? NO_REGION)))
  for (const part of when.all ?? []) for (const [field, values] of needsOf(part)) add(field, values)
  const [first, ...rest] = (when.any ?? []).map(needsOf)
  for (const [field, values] of first ?? []) {
    // Only a field that every alternative asks for is needed.
    const others = rest.map((need) => need.get(field))
    if (others.includes(undefined)) continue
    add(field, new Set([...values, ...others.flatMap((other) => [...(other ?? [])])]))
  }
  return needs
}

/** How many rules ask for each value of each field. */
function countSharing(needs: readonly Needs[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const need of needs) {
    for (const [field, values] of need) {
      for (const value of values) counts.set(`${field}\0${value}`, (counts.get(`${field}\0${value}`) ?? 0) + 1)
    }
  }
  return counts
}

function rarest(need: Needs, sharing: ReadonlyMap<string, number>): Field | undefined {
  let best: Field | undefined
  let least = Number.POSITIVE_INFINITY
  for (const field of fields) {
    let most = 0
    for (const value of need.get(field) ?? []) most = Math.max(most, sharing.get(`${field}\0${value}`) ?? 0)
    if (most > 0 && most < least) {
      best = field
      least = most
    }
  }
  return best
}
