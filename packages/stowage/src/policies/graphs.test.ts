import { Life, mortal, seededRandom } from '@stowage/core/testing'
import { runs } from '@stowage/test-support'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { PolicyConfig } from '../config/index.ts'
import { refuseNewEndless } from './endless.ts'
import { openWorld, type World } from './testing.ts'

/** Places that policies lead between. Some hold others. */
const places = ['a:x', 'b:x', 'c:x', 'a:y', 'b:y', 'c:'] as const
type Place = (typeof places)[number]

interface Graph {
  edges: { from: Place; to: Place; on: 'event' | 'schedule' }[]
  processes: number
  /** What happens, in order. */
  history: ({ write: string; at: number } | { pass: number } | { crash: number })[]
  seed: number
}

const on = fc.constantFrom('event' as const, 'schedule' as const)
const edge = fc.record({ from: fc.constantFrom(...places), to: fc.constantFrom(...places), on })

/** A ring of two, or a chain of three, and others beside it that may cross it. */
const edges = fc
  .tuple(
    fc.shuffledSubarray([...places], { minLength: 2, maxLength: 3 }),
    fc.array(on, { minLength: 3, maxLength: 3 }),
    fc.array(edge, { maxLength: 3 }),
  )
  .map(([ring, when, others]) => [
    ...ring.map((from, i) => ({ from, to: ring[(i + 1) % ring.length] ?? from, on: when[i] ?? ('event' as const) })),
    ...others,
  ])

const graphs: fc.Arbitrary<Graph> = fc.record({
  edges: fc.oneof(
    { weight: 3, arbitrary: edges },
    { weight: 1, arbitrary: fc.array(edge, { minLength: 2, maxLength: 5 }) },
  ),
  processes: fc.integer({ min: 1, max: 3 }),
  history: fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ write: fc.constantFrom('k', 'x/k'), at: fc.nat(9) }) },
      { weight: 3, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 70 }) }) },
      { weight: 1, arbitrary: fc.record({ crash: fc.integer({ min: 1, max: 60 }) }) },
    ),
    { minLength: 4, maxLength: 12 },
  ),
  seed: fc.integer(),
})

const fast: Graph = {
  edges: [
    { from: 'c:', to: 'b:y', on: 'event' },
    { from: 'b:y', to: 'c:', on: 'event' },
  ],
  processes: 1,
  history: [{ pass: 4 }, { write: 'k', at: 3 }, { write: 'k', at: 1 }, { write: 'k', at: 7 }, { pass: 1 }],
  seed: 0,
}

function policiesOf({ edges }: Graph): PolicyConfig[] {
  const found: PolicyConfig[] = []
  for (const [i, { from, to, on }] of edges.entries()) {
    if (doOverlap(from, to) || found.some((other) => other.from === from && other.to === to)) continue
    const when = on === 'event' ? { debounceMs: 0, reconcile: '2m' } : { schedule: '* * * * *' }
    const policy: PolicyConfig = { id: `p${i}`, on, from, to, ...when }
    try {
      refuseNewEndless(policy, found)
      found.push(policy)
    } catch {
      // Others have tests of their own.
    }
  }
  return found
}

const doOverlap = (one: string, other: string): boolean =>
  one[0] === other[0] && (`${one}/`.startsWith(other) || `${other}/`.startsWith(one))

const under = (place: string, key: string): string => (place.length > 2 ? `${place}/${key}` : `${place}${key}`)

/** Where the policies lead what lies somewhere, one step on. */
function steps(policies: readonly PolicyConfig[], name: string): string[] {
  return policies.flatMap(({ from, to }) => {
    const prefix = under(from, '')
    return name.startsWith(prefix) ? [under(to, name.slice(prefix.length))] : []
  })
}

/** All places that policies lead a name to, itself among them. */
function reached(policies: readonly PolicyConfig[], name: string): Set<string> {
  const seen = new Set([name])
  for (const one of seen) for (const next of steps(policies, one)) seen.add(next)
  return seen
}

/** Whether only one policy writes there, and nobody reads it back: its source is all that counts there. */
function isOwned(policies: readonly PolicyConfig[], name: string): boolean {
  const into = policies.filter(({ to }) => name.startsWith(under(to, '')))
  if (into.length !== 1) return false
  const seen = reached(policies, name)
  const [{ from, to } = { from: '', to: '' }] = into
  return !seen.has(under(from, name.slice(under(to, '').length)))
}

async function contents(world: World): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const id of ['a', 'b', 'c'] as const)
    for (const [key, text] of Object.entries(await world.holds(world[id]))) found.set(`${id}:${key}`, text)
  return found
}

it(
  'policies of any graph that may be come to rest, with what was written wherever they lead it',
  async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async (graph) => {
        const policies = policiesOf(graph)
        const world = await openWorld(Date.UTC(2026, 0, 1))
        try {
          await play(world, graph, policies)
        } finally {
          await world.close()
        }
      }),
      // One side is written to again and again while its copies come back.
      { numRuns: runs(15, 400), examples: [[fast]] },
    )
  },
  runs(600_000, 7_200_000),
)

async function play(world: World, { processes, history, seed }: Graph, policies: PolicyConfig[]): Promise<void> {
  const random = seededRandom(seed)
  let writes = 0
  const user = { a: world.a.put.bind(world.a), b: world.b.put.bind(world.b), c: world.c.put.bind(world.c) }
  for (const id of ['a', 'b', 'c'] as const) {
    const { put } = world[id]
    world[id].put = async (...args) => {
      writes++
      // So that what runs at the same time reads before this is there.
      await world.clock.sleep(Math.floor(random.next() * 4) * 700, args[2]?.signal)
      return await put.apply(world[id], args)
    }
  }
  const lives: Life[] = []
  const start = async (): Promise<void> => {
    const life = new Life(Number.POSITIVE_INFINITY, random.next() < 0.5)
    const catalog = { ...world.catalog, sync: mortal(world.catalog.sync, 'records', life) }
    const stowage = await world.open(policies, { catalog })
    lives.push(life)
    void stowage.policies.start().catch(() => undefined)
  }
  for (let i = 0; i < processes; i++) await start()
  await world.pass(2000)
  const all = [...new Set(policies.flatMap(({ from, to }) => [from, to]))]
  /** What was written to each place, the newest last. */
  const written = new Map<string, string[]>()
  let number = 0
  for (const step of history) {
    if ('pass' in step) await world.pass(step.pass * 1000)
    else if ('crash' in step) {
      const life = lives.find(({ dead }) => !dead)
      if (life !== undefined) life.left = step.crash
      await world.pass(3000)
      if (life !== undefined) life.dead = true
      await start()
    } else {
      const at = all[step.at % all.length]
      if (at === undefined) break
      const name = under(at, step.write)
      if (isOwned(policies, name)) continue
      const text = `${'v'.repeat(1 + Math.floor(random.next() * 2))}${++number}`
      const [id, key] = [name[0] as 'a' | 'b' | 'c', name.slice(2)]
      await world.clock.advance(1)
      await user[id](key, Buffer.from(text))
      written.set(name, [...(written.get(name) ?? []), text])
    }
  }
  let [before, quiet] = [-1, false]
  // Each is time enough for every policy to look at everything, also after a crash.
  for (let round = 0; round < 20 && !quiet; round++) {
    before = writes
    await world.pass(150_000)
    quiet = writes === before
  }
  expect(quiet, 'nothing is written any more').toBe(true)
  const held = await contents(world)
  const origins = new Map<string, string[]>()
  for (const name of written.keys())
    for (const to of reached(policies, name)) origins.set(to, [...(origins.get(to) ?? []), name])
  expect([...held.keys()].sort()).toEqual([...origins.keys()].sort())
  for (const [name, text] of held) {
    const from = origins.get(name) ?? []
    // Of what came from several places one version stays; of one place it is the last.
    const versions =
      from.length === 1 ? written.get(from[0] ?? '')?.slice(-1) : from.flatMap((one) => written.get(one) ?? [])
    expect(versions).toContain(text)
    // Two places that policies lead between both ways hold the same.
    for (const other of steps(policies, name))
      if (steps(policies, other).includes(name)) expect([other, held.get(other)]).toEqual([other, text])
  }
}
