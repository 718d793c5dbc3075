import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { openCatalog } from '@stowage/catalog'
import { readAll } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { explain } from '@stowage/router'
import { runs, tempDir, testSeed } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import type { StowageConfigInput } from '../config/index.ts'
import { sickly } from '../health/testing.ts'
import { createStowage } from './create.ts'
import { whileTimeGoesOn } from './testing.ts'

const second = 1000
const ada = { userId: 'ada', userType: 'internal' } as const

/** One dataset on two sources, of which the first is better, and down when the test says so. */
async function world(isUp: (now: number) => boolean, config: Partial<StowageConfigInput> = {}) {
  const clock = new FakeClock()
  const random = seededRandom(testSeed())
  const begun = clock.now()
  const [near, far] = [sickly('near', () => isUp(clock.now() - begun)), sickly('far', () => true)]
  const catalog = await openCatalog({ type: 'memory' }, { clock, random })
  const stowage = await createStowage(
    {
      sources: [
        { id: 'near', type: 'memory', priority: 1, isPublic: true },
        { id: 'far', type: 'memory', priority: 2, isPublic: true },
      ],
      ...config,
    },
    { clock, random, catalog, adapters: { near: near.adapter, far: far.adapter } },
  )
  onTestFinished(async () => {
    await stowage.close()
    await catalog.close()
  })
  const folder = tempDir('cats')
  writeFileSync(join(folder, 'a.txt'), 'a')
  writeFileSync(join(folder, 'b.txt'), 'bb')
  const cats = await stowage.as(ada).datasets.create({ name: 'cats' })
  await cats.upload(folder)
  const [here] = await cats.show().then(({ replicas }) => replicas)
  await stowage.replicate(cats.id, 1, here?.sourceId === 'near' ? 'far' : 'near')
  const read = async (userId: string): Promise<{ first: string | undefined; failovers: number }> => {
    const file = await stowage.as({ ...ada, userId }).datasets.open(cats.id, 'a.txt')
    expect((await readAll(file.stream, 10)).toString()).toBe('a')
    return { first: file.decision.candidates[0]?.sourceId, failovers: file.failovers.length }
  }
  near.calls = 0
  return { stowage, clock, begun, near, far, read, id: cats.id }
}

it('a source that is up for 2 s and down for 2 s is switched to ever less, and no read fails', {
  timeout: 240_000,
}, async () => {
  let isFlapping = false
  const { clock, begun, read } = await world((now) => !isFlapping || Math.floor(now / (2 * second)) % 2 === 1)
  isFlapping = true
  const minutes = runs(10, 60)
  const step = runs(500, 200)
  const switches: number[] = []
  let [reads, failovers, before] = [0, 0, 'near']
  for (; clock.now() - begun < minutes * 60 * second; await clock.advance(step)) {
    const { first = '', failovers: more } = await read('ada')
    reads++
    failovers += more
    if (first !== before) switches.push(clock.now() - begun)
    before = first
  }
  const [early, late] = [0, minutes - 5].map(
    (from) => switches.filter((at) => at >= from * 60 * second && at < (from + 5) * 60 * second).length,
  )
  process.stdout.write(
    `flapping for ${minutes} minutes: ${reads} reads, none failed, ${failovers} went on elsewhere, ${switches.length} switches (${early} in the first 5 minutes, ${late} in the last 5); the source changed ${minutes * 30} times\n`,
  )
  expect(switches.length).toBeGreaterThan(1)
  // In five minutes it changes 150 times. When probes come, chance decides how often they find it up: 7 to 13 and 4 to 12 over 46 seeds.
  expect(early).toBeLessThanOrEqual(20)
  expect(late).toBeLessThanOrEqual(20)
  expect(failovers).toBeLessThanOrEqual(5 * (switches.length + 1))
})

it('a thousand readers of one dataset come back to a source little by little', { timeout: 240_000 }, async () => {
  let isUp = true
  const { stowage, clock, near, read } = await world(() => isUp)
  const readers = Array.from({ length: runs(200, 1000) }, (_, i) => `reader-${i}`)
  isUp = false
  const adapter = await stowage.sources.adapter('near')
  for (let i = 0; i < 5; i++) await adapter.head('x').catch(() => undefined)
  expect(stowage.sources.get('near').status).toBe('error')
  isUp = true
  while (stowage.sources.get('near').status === 'error') await clock.advance(250)
  const shares: number[] = []
  const step = runs(2, 1)
  for (let at = 0; at <= 34; at += step) {
    near.calls = 0
    let there = 0
    for (const reader of readers) there += (await read(reader)).first === 'near' ? 1 : 0
    shares.push(Math.round((100 * there) / readers.length))
    expect(near.calls).toBeGreaterThanOrEqual(there)
    await clock.advance(step * second)
  }
  process.stdout.write(
    `share of ${readers.length} readers at the source that came back, every ${step} s: ${shares.join(' ')} %\n`,
  )
  const most = Math.max(...shares.map((share, i) => share - (shares[i - 1] ?? 0)))
  expect(most).toBeLessThanOrEqual(step * 10)
  expect(shares).toEqual([...shares].sort((a, b) => a - b))
  expect(shares.at(-1)).toBe(100)
})

it('ejects a source whose bodies stall in their middle, though each begins well', async () => {
  // Neither its error rate nor a probe plays a part.
  const config = { routing: { health: { degradedErrorRate: 1, probes: false } } }
  const { stowage, clock, near, id } = await world(() => true, config)
  const get = near.adapter.get.bind(near.adapter)
  near.adapter.get = async (key, options) => {
    const { body, ...result } = await get(key, options)
    if (!key.endsWith('b.txt')) return { ...result, body }
    body.destroy()
    async function* half() {
      yield Buffer.from('b')
      await new Promise(() => undefined)
    }
    return { ...result, body: Readable.from(half()) }
  }
  const statuses: string[] = []
  for (let i = 0; i < 5; i++) {
    const file = await stowage.as(ada).datasets.open(id, 'b.txt')
    expect(file.decision.candidates[0]?.sourceId).toBe('near')
    expect((await whileTimeGoesOn(clock, readAll(file.stream, 10), 500)).toString()).toBe('bb')
    expect(file.failovers).toMatchObject([{ from: 'near', to: 'far', code: 'timeout' }])
    statuses.push(stowage.sources.get('near').status)
    // For so long it comes last in any case.
    await clock.advance(5 * second)
  }
  expect(statuses.at(-1)).toBe('error')
  const file = await stowage.as(ada).datasets.open(id, 'b.txt')
  expect(file.decision.candidates[0]?.sourceId).toBe('far')
  file.stream.destroy()
})

it('says what is wrong, since when, and when it is tried again, in an explanation', async () => {
  let isUp = true
  const { stowage, clock, read } = await world(() => isUp, {
    routing: { health: { consecutiveErrors: 2, probes: false } },
  })
  isUp = false
  const since = new Date(clock.now()).toISOString().replace('.000', '')
  for (let i = 0; i < 2; i++) await read('ada')
  const request = { purpose: 'read', actor: ada } as const
  expect(explain(await stowage.route(request))).toMatch(
    new RegExp(
      `near +healthy +it is not healthy \\(ejected after failures: unavailable, since ${since}, tried again at `,
    ),
  )
  const { retryAt = 0 } = stowage.sources.get('near').health
  await clock.advance(retryAt - clock.now() + 1)
  isUp = true
  for (let i = 0; i < 100 && stowage.sources.get('near').health.trouble === 'on-trial'; i++) await read(`ada-${i}`)
  expect(stowage.sources.get('near').health).toMatchObject({ trouble: 'returning', retryAt: clock.now() + 30 * second })
})
