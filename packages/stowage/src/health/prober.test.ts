import { openCatalog } from '@stowage/catalog'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { HealthConfig } from './settings.ts'
import { sickly } from './testing.ts'

async function world(processes: number, health: HealthConfig = {}) {
  const clock = new FakeClock()
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  onTestFinished(() => catalog.close())
  let isUp = true
  const all = await Promise.all(
    Array.from({ length: processes }, async (_, seed) => {
      const [a, b] = [sickly('a', () => isUp), sickly('b', () => true)]
      const stowage = await createStowage(
        {
          sources: [
            { id: 'a', type: 'memory', priority: 1 },
            { id: 'b', type: 'memory', priority: 2 },
          ],
          routing: { health },
        },
        { catalog, clock, random: seededRandom(seed), adapters: { a: a.adapter, b: b.adapter } },
      )
      let closed = false
      const close = async (): Promise<void> => {
        if (!closed) await stowage.close()
        closed = true
      }
      onTestFinished(close)
      return { stowage, a, b, close }
    }),
  )
  const probes = (): number => all.reduce((sum, { a }) => sum + a.probes, 0)
  const go = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds * 4; i++) await clock.advance(250)
  }
  return {
    clock,
    all,
    probes,
    go,
    set: (up: boolean) => {
      isUp = up
    },
  }
}

it('probes a source that nothing was heard of, in one process for all, and not one that is used', async () => {
  const { all, probes, go } = await world(3)
  await go(300)
  expect(probes()).toBeGreaterThanOrEqual(8)
  expect(probes()).toBeLessThanOrEqual(12)
  expect(all.filter(({ a }) => a.probes > 0)).toHaveLength(1)
  const prober = all.find(({ a }) => a.probes > 0)
  for (const { stowage } of all) {
    await stowage.routing.decide({ purpose: 'read', actor: {} })
    expect(stowage.sources.get('a').lastHealthCheckAt).toBeGreaterThan(0)
  }
  const adapter = await prober?.stowage.sources.adapter('a')
  const before = [probes(), prober?.b.probes ?? 0]
  for (let i = 0; i < 60; i++) {
    await adapter?.head('x').catch(() => undefined)
    await go(2)
  }
  expect(probes()).toBe(before[0])
  expect(prober?.b.probes).toBeGreaterThan(before[1] ?? 0)
})

it('another process goes on at once when the one that probes is closed', async () => {
  const { all, probes, go } = await world(2)
  await go(60)
  const prober = all.find(({ a }) => a.probes > 0)
  await prober?.close()
  const before = probes()
  await go(60)
  expect(probes()).toBeGreaterThan(before)
  expect(all.every(({ a }) => a.probes > 0)).toBe(true)
})

it('an idle source that fails is found out, left alone, and brought back by a probe without one reader trying it', async () => {
  const { all, clock, go, set } = await world(1, { probeMs: 10_000 })
  const [one] = all
  if (one === undefined) return
  await go(30)
  set(false)
  const down = clock.now()
  let found = 0
  while (one.stowage.sources.get('a').status === 'active' && found < 60_000) {
    await go(1)
    found = clock.now() - down
  }
  expect(found).toBeLessThanOrEqual(17_000)
  const { health } = one.stowage.sources.get('a')
  expect(health).toMatchObject({ trouble: 'ejected', code: 'unavailable' })
  set(true)
  const up = clock.now()
  while (one.stowage.sources.get('a').status === 'error' && clock.now() - up < 60_000) await go(1)
  expect(clock.now() - up).toBeLessThanOrEqual(7_000)
  expect(one.a.calls).toBe(0)
})

it('ends with what it belongs to and leaves nothing behind, also in the middle of a probe', async () => {
  const { all, clock, go } = await world(1)
  const [one] = all
  if (one === undefined) return
  let aborted = false
  one.a.adapter.probe = (options) =>
    new Promise((resolve) => {
      options?.signal?.addEventListener('abort', () => {
        aborted = true
        resolve({ ok: false, latencyMs: 1, checks: [], failure: 'stopped' })
      })
    })
  await go(31)
  await one.close()
  expect(aborted).toBe(true)
  expect(clock.sleeping).toBe(0)
})

it('does not run where it is switched off, nor in a process without a background', async () => {
  const { probes, go } = await world(1, { probes: false })
  await go(120)
  expect(probes()).toBe(0)
})
