import { routePurposes } from '../request.ts'
import type { CompiledRule } from './compiled-rule.ts'
import { type Test, testOf } from './condition.ts'
import type { Facts } from './facts.ts'
import type { ParsedCondition } from './schema.ts'

/** Fields with many values, of which a rule can be filed under one. */
const fields = ['userId', 'workspaceId', 'datasetId', 'node', 'tag', 'nodeLabel', 'region', 'size'] as const
type Field = (typeof fields)[number]
type Needs = Map<Field | 'purpose' | 'userType', ReadonlySet<string>>

const userTypes = ['external', 'internal']

/** Stands for an actor without a region; no region has a NUL in its name. */
const NO_REGION = '\0'

/** A rule as it is filed. */
interface Filed {
  readonly position: number
  readonly rule: CompiledRule
  /** What is to be tested still, when it is found here. */
  readonly test: Test | undefined
}

interface Bucket {
  /** Rules that name no field, and by field and value those that do. */
  readonly always: Filed[]
  readonly by: Record<Field, Map<string, Filed[]>>
}

/**
 * Finds the rules that apply without looking at those that cannot. Every rule is filed under purpose and user type, and there under the
 * values of that one of its fields that it shares with the fewest other rules. What that does not tell is then tested.
 */
export class RuleIndex {
  readonly #buckets = new Map<string, Bucket>()

  /** @param rules in the order in which they count */
  constructor(rules: readonly CompiledRule[]) {
    const needs = rules.map((rule) => needsOf(rule.when))
    const sharing = countSharing(needs)
    for (const [position, rule] of rules.entries()) this.#file(position, rule, needs[position] as Needs, sharing)
  }

  /** The rules that apply as far as the request can tell, in order. */
  match(facts: Facts): CompiledRule[] {
    const bucket = this.#buckets.get(`${facts.purpose}/${facts.userType}`)
    if (bucket === undefined) return []
    const { always } = bucket
    const named = this.#named(bucket, facts)
    const matched: CompiledRule[] = []
    let next = 0
    let last = -1
    // Both lists are in order, and so is what is made of them.
    for (let i = 0; i < always.length || next < named.length; ) {
      const filed = (
        next >= named.length || (i < always.length && (always[i] as Filed).position < (named[next] as Filed).position)
          ? always[i++]
          : named[next++]
      ) as Filed
      // Two tags may have led to one rule.
      if (filed.position === last) continue
      last = filed.position
      if (filed.test === undefined || filed.test(facts)) matched.push(filed.rule)
    }
    return matched
  }

  /** Rules that are filed under a value that the request has, in order. */
  #named({ by }: Bucket, facts: Facts): Filed[] {
    const found: Filed[] = []
    collect(found, by.userId, facts.userId)
    collect(found, by.workspaceId, facts.workspaceId)
    collect(found, by.datasetId, facts.datasetId)
    collect(found, by.node, facts.node)
    collect(found, by.region, facts.region ?? NO_REGION)
    if (by.size.size > 0) collect(found, by.size, sizeClass(facts.size))
    if (by.tag.size > 0) for (const tag of facts.tags) collect(found, by.tag, tag)
    if (by.nodeLabel.size > 0) {
      for (const name in facts.nodeLabels) {
        collect(found, by.nodeLabel, labelKey(name, facts.nodeLabels[name] as string))
      }
    }
    return found.length < 2 ? found : found.sort((a, b) => a.position - b.position)
  }

  #file(position: number, rule: CompiledRule, need: Needs, sharing: ReadonlyMap<string, number>): void {
    const field = rarest(need, sharing)
    const filed = { position, rule, test: rule.aboutSources ? undefined : testOf(withoutTold(rule.when, field)) }
    for (const purpose of need.get('purpose') ?? routePurposes) {
      for (const userType of need.get('userType') ?? userTypes) {
        const bucket = this.#bucket(`${purpose}/${userType}`)
        if (field === undefined) bucket.always.push(filed)
        else for (const value of need.get(field) ?? []) append(bucket.by[field], value, filed)
      }
    }
  }

  #bucket(name: string): Bucket {
    let bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      const by = Object.fromEntries(fields.map((field) => [field, new Map()])) as Bucket['by']
      bucket = { always: [], by }
      this.#buckets.set(name, bucket)
    }
    return bucket
  }
}

/**
 * What of a condition is not told by where it is filed. A field that a request has one value of was filed under what all parts of the
 * condition allow, so it needs no test; tags and sizes do.
 */
function withoutTold(when: ParsedCondition, field: Field | undefined): ParsedCondition {
  const rest = { ...when }
  delete rest.purpose
  delete rest.userType
  if (field !== undefined && isSingle(field)) delete rest[field]
  return rest
}

function isSingle(field: Field | 'purpose' | 'userType'): field is Exclude<Field, 'tag' | 'nodeLabel' | 'size'> {
  return field !== 'tag' && field !== 'nodeLabel' && field !== 'size'
}

function append(map: Map<string, Filed[]>, value: string, filed: Filed): void {
  const list = map.get(value)
  if (list === undefined) map.set(value, [filed])
  else list.push(filed)
}

function collect(found: Filed[], map: Map<string, Filed[]>, value: string | undefined): void {
  const list = value === undefined ? undefined : map.get(value)
  if (list !== undefined) for (const filed of list) found.push(filed)
}

/** For each field, values of which one must be there for the condition to hold. */
function needsOf(when: ParsedCondition): Needs {
  const needs: Needs = new Map()
  const add = (field: Field | 'purpose' | 'userType', values: ReadonlySet<string>): void => {
    const known = needs.get(field)
    if (known === undefined) needs.set(field, values)
    // Of what a request has one value of, both must allow it; of the rest, either will do to find it.
    else if (isSingle(field)) needs.set(field, new Set([...known].filter((value) => values.has(value))))
    else if (values.size < known.size) needs.set(field, values)
  }
  for (const field of ['purpose', 'userType', 'userId', 'workspaceId', 'datasetId', 'node', 'tag'] as const) {
    if (when[field] !== undefined) add(field, new Set(when[field]))
  }
  if (when.region !== undefined) add('region', new Set(when.region.map((region) => region ?? NO_REGION)))
  if (when.minSize !== undefined || when.maxSize !== undefined) {
    add('size', new Set(sizeClasses(when.minSize ?? 0, when.maxSize ?? Number.MAX_SAFE_INTEGER)))
  }
  for (const [name, values] of Object.entries(when.nodeLabels ?? {})) {
    add('nodeLabel', new Set(values.map((value) => labelKey(name, value))))
  }
  // What must not be is said of the two fields with few values by what may be.
  if (onlySays(when.not, 'purpose')) add('purpose', without(routePurposes, when.not.purpose))
  if (onlySays(when.not, 'userType')) add('userType', without(userTypes, when.not.userType))
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

function onlySays<K extends 'purpose' | 'userType'>(
  when: ParsedCondition | undefined,
  field: K,
): when is ParsedCondition & Record<K, string[]> {
  if (when?.[field] === undefined) return false
  return Object.entries(when).every(([name, value]) => name === field || value === undefined)
}

function without(all: readonly string[], some: readonly string[]): Set<string> {
  return new Set(all.filter((value) => !some.includes(value)))
}

/** Sizes are filed by their power of two. */
function sizeClass(size: number | undefined): string | undefined {
  return size === undefined ? undefined : classNames[powerOf(size)]
}

const classNames: readonly string[] = Array.from({ length: 64 }, (_, power) => String(power))

function sizeClasses(min: number, max: number): string[] {
  return classNames.slice(powerOf(min), powerOf(max) + 1)
}

function powerOf(size: number): number {
  return size < 2 ? 0 : Math.min(63, Math.floor(Math.log2(size)))
}

function labelKey(name: string, value: string): string {
  return `${name}\0${value}`
}
