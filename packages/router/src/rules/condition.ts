import { type Facts, hasLabels } from './facts.ts'
import type { ParsedCondition } from './schema.ts'
import type { Chunk } from './source-field.ts'

/** Says whether a condition holds. */
export type Test = (facts: Facts) => boolean

const single = ['purpose', 'userType', 'userId', 'workspaceId', 'node', 'datasetId'] as const

/**
 * Compiles a condition that speaks of no sources, so that only its own fields cost time when it is asked.
 * @returns `undefined` for a condition that always holds
 */
export function testOf(when: ParsedCondition): Test | undefined {
  const tests = ownTests(when)
  for (const part of when.all ?? []) tests.push(testOf(part) ?? always)
  if (when.any !== undefined) {
    const any = when.any.map((part) => testOf(part) ?? always)
    tests.push((facts) => {
      for (const test of any) if (test(facts)) return true
      return false
    })
  }
  if (when.not !== undefined) {
    const not = testOf(when.not) ?? always
    tests.push((facts) => !not(facts))
  }
  const [first, second] = tests
  if (first === undefined) return undefined
  if (second === undefined) return first
  if (tests.length === 2) return (facts) => first(facts) && second(facts)
  return (facts) => {
    for (const test of tests) if (!test(facts)) return false
    return true
  }
}

const always: Test = () => true

/** The sources for which a condition holds, as bits. */
export function sourcesOf(when: ParsedCondition, facts: Facts, chunk: Chunk): number {
  if (!ownTests(when).every((test) => test(facts))) return 0
  let bits = when.source === undefined ? chunk.all : chunk.matching(when.source, facts.region)
  for (const part of when.all ?? []) bits &= sourcesOf(part, facts, chunk)
  if (when.any !== undefined) bits &= when.any.reduce((some, part) => some | sourcesOf(part, facts, chunk), 0)
  if (when.not !== undefined) bits &= ~sourcesOf(when.not, facts, chunk)
  return bits
}

/** Whether a condition speaks of sources, so that it may hold for some and not for others. */
export function speaksOfSources(when: ParsedCondition): boolean {
  if (when.source !== undefined) return true
  const parts = [...(when.all ?? []), ...(when.any ?? []), ...(when.not === undefined ? [] : [when.not])]
  return parts.some(speaksOfSources)
}

/** One test for each field that is about the request, without what is nested. */
function ownTests(when: ParsedCondition): Test[] {
  const tests: Test[] = []
  for (const field of single) {
    const allowed = when[field]
    if (allowed !== undefined) tests.push(oneOf(allowed, (facts) => facts[field]))
  }
  const { region, nodeLabels, tag, minSize, maxSize } = when
  if (region !== undefined) tests.push((facts) => region.includes(facts.region ?? null))
  if (nodeLabels !== undefined) tests.push((facts) => hasLabels(nodeLabels, facts.nodeLabels))
  if (tag !== undefined) tests.push((facts) => share(tag, facts.tags))
  if (minSize !== undefined) tests.push(({ size }) => size !== undefined && size >= minSize)
  if (maxSize !== undefined) tests.push(({ size }) => size !== undefined && size <= maxSize)
  return tests
}

function oneOf(allowed: readonly string[], read: (facts: Facts) => string | undefined): Test {
  const [only] = allowed
  if (allowed.length === 1) return (facts) => read(facts) === only
  return (facts) => {
    const value = read(facts)
    return value !== undefined && allowed.includes(value)
  }
}

function share(wanted: readonly string[], tags: readonly string[]): boolean {
  for (const tag of wanted) if (tags.includes(tag)) return true
  return false
}
