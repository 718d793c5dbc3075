import { type HeapProfiler, Session } from 'node:inspector/promises'
import {
  type Condition,
  compileRules,
  decide,
  explain,
  type RouteRequest,
  type Rule,
  type RuleSet,
  type World,
} from '@stowage/router'
import { Engine, type NestedCondition, type TopLevelCondition } from 'json-rules-engine'
import { median } from './large-file.ts'
import { applyingRules, mixedRules, otherRules, requests, worldOf } from './router-rules.ts'

const DECISIONS = 40_000
const ROUNDS = 5
const RIVALS = 1500

/** Decisions by the microsecond: rules that apply, rules that do not, what one allocates, and json-rules-engine on the same rules. */
export async function benchRouter(): Promise<void> {
  const hundred = mixedRules(100)
  const few = compileRules(hundred)
  const more = compileRules([...hundred, ...otherRules(1000)])
  const many = compileRules(applyingRules(1000))
  const [small, large] = [worldOf(5), worldOf(20)]
  const applied = requests.map((request) => decide(few, request, small).ruleIds.length)
  say(
    `100 rules, of which ${Math.min(...applied)} to ${Math.max(...applied)} apply to a request, 5 sources; median of ${ROUNDS} rounds of ${DECISIONS}`,
  )

  const rounds = { few: [] as Times[], more: [] as Times[], text: [] as Times[], many: [] as Times[] }
  for (let round = 0; round <= ROUNDS; round++) {
    // In turn, so that all see the same machine. The first round warms up.
    const times = {
      few: measure((request) => decide(few, request, small)),
      more: measure((request) => decide(more, request, small)),
      text: measure((request) => explain(decide(few, request, small)), DECISIONS / 10),
      many: measure((request) => decide(many, request, large), DECISIONS / 10),
    }
    if (round > 0) for (const name of Object.keys(rounds) as (keyof typeof rounds)[]) rounds[name].push(times[name])
  }
  const p50 = (name: keyof typeof rounds): number => median(rounds[name].map((times) => times.p50))
  const p99 = (name: keyof typeof rounds): number => median(rounds[name].map((times) => times.p99))
  say(`decision with its explanation: p50 ${us(p50('few'))}, p99 ${us(p99('few'))} (aim: 20 and 100)`)
  say(`the same with its table as text: p50 ${us(p50('text'))}, p99 ${us(p99('text'))}`)
  const cost = (median(rounds.more.map((times, i) => times.p50 / (rounds.few[i]?.p50 ?? 1))) - 1) * 100
  say(
    `with 1,000 further rules that do not apply: p50 ${us(p50('more'))}, ${cost.toFixed(1)}% more (aim: less than 10)`,
  )
  const all = decide(many, requests[0] as RouteRequest, large).ruleIds.length
  say(`${all} rules that apply, 20 sources: p50 ${us(p50('many'))}, p99 ${us(p99('many'))} (aim: p50 200)`)

  say(
    `allocated by a decision: ${await bytesOf(few, small)} bytes; with ${all} rules that apply and 20 sources ${await bytesOf(many, large)}`,
  )

  const theirs = await rival(hundred)
  say(
    `json-rules-engine on the same 100 rules, only which apply: p50 ${us(theirs.p50)}, p99 ${us(theirs.p99)}; ${(theirs.p50 / p50('few')).toFixed(0)} times ours`,
  )
}

interface Times {
  p50: number
  p99: number
}

function measure(one: (request: RouteRequest) => unknown, count: number = DECISIONS): Times {
  const times = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const request = requests[i % requests.length] as RouteRequest
    const begun = performance.now()
    one(request)
    times[i] = performance.now() - begun
  }
  return quantiles(times)
}

function quantiles(times: Float64Array): Times {
  times.sort()
  return { p50: times[Math.floor(times.length / 2)] ?? 0, p99: times[Math.floor(times.length * 0.99)] ?? 0 }
}

/** Bytes that one decision allocates, garbage included, by V8's sampling profiler. */
async function bytesOf(rules: RuleSet, world: World): Promise<string> {
  const decisions = 20_000
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 4096,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  })
  for (let i = 0; i < decisions; i++) decide(rules, requests[i % requests.length] as RouteRequest, world)
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  const bytes = sizeOf(profile.head)
  return Math.round(bytes / decisions).toLocaleString('en-US')
}

/** What was allocated in a function and in those that it called. */
function sizeOf({ selfSize, children }: HeapProfiler.SamplingHeapProfileNode): number {
  return children.reduce((sum, child) => sum + sizeOf(child), selfSize)
}

/** Asks json-rules-engine which of the rules apply, and sees that it finds the same ones as we do. */
async function rival(rules: readonly Rule[]): Promise<Times> {
  const engine = new Engine([], { allowUndefinedFacts: true })
  for (const { id, when } of rules) {
    engine.addRule({ conditions: { all: translated(when ?? {}) } as TopLevelCondition, event: { type: id } })
  }
  const ours = compileRules({ rules, defaults: false })
  const times = new Float64Array(RIVALS)
  for (let i = 0; i < RIVALS; i++) {
    const request = requests[i % requests.length] as RouteRequest
    const { purpose, actor, datasetId, tags, size } = request
    const begun = performance.now()
    const { events } = await engine.run({ purpose, ...actor, datasetId, tags, size })
    times[i] = performance.now() - begun
    const found = events.map(({ type }) => type).sort()
    const expected = [...decide(ours, request, { sources: [], health: {}, now: 0 }).ruleIds].sort()
    if (found.join() !== expected.join())
      throw new Error(`json-rules-engine found ${found.join()}, we ${expected.join()}`)
  }
  return quantiles(times.slice(RIVALS / 10))
}

/** A condition of ours in its language; only what `mixedRules` uses. */
function translated(when: Condition): NestedCondition[] {
  return Object.entries(when).map(([field, value]): NestedCondition => {
    if (field === 'any') return { any: (value as Condition[]).map((part) => ({ all: translated(part) })) }
    if (field === 'not') return { not: { all: translated(value as Condition) } }
    if (field === 'minSize') return { fact: 'size', operator: 'greaterThanInclusive', value }
    if (field === 'tag') return { fact: 'tags', operator: 'contains', value }
    return { fact: field, operator: 'in', value: Array.isArray(value) ? value : [value] }
  })
}

const us = (ms: number): string => `${(ms * 1000).toFixed(1)} us`

function say(line: string): void {
  process.stdout.write(`  ${line}\n`)
}
