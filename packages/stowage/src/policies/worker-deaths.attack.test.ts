import { Life, mortal } from '@stowage/core/testing'
import { runs } from '@stowage/test-support'
import { expect, it } from 'vitest'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld } from './testing.ts'

const onEvent: PolicyConfig = { id: 'p', on: 'event', from: 'a:', to: 'b:', debounceMs: 0, reconcile: '7d' }

it.each([
  ['a store with batches, before it has an effect', false, true],
  ['a store with batches, after it had one', true, true],
  ['a store without, before it has an effect', false, false],
  ['a store without, after it had one', true, false],
] as const)(
  'no event is lost, whatever call of %s its worker dies at',
  async (_, effect, batches) => {
    for (let call = 5; call < 80; call += runs(23, 1)) {
      const world = await openWorld(Date.UTC(2026, 0, 1))
      if (!batches) Object.assign(world.catalog.sync, { batch: undefined })
      const living = await world.open([onEvent])
      const first = new AbortController()
      const started = living.policies.start({ signal: first.signal })
      await world.until(async () => (await living.policies.get('p')).reconciled !== undefined)
      await world.pass(3000)
      const life = new Life(Number.POSITIVE_INFINITY, effect)
      const catalog = { ...world.catalog, sync: mortal(world.catalog.sync, 'records', life) }
      first.abort()
      await world.pass(3000)
      await started
      const dying = await world.open([onEvent], { catalog })
      void dying.policies.start()
      await world.pass(3000)
      life.left = call
      for (const key of ['one', 'two']) await world.a.put(key, Buffer.from(key))
      await world.pass(6000)
      const note = `killed at call ${call}: ${life.last}`
      void living.policies.start()
      await world
        .until(async () => Object.keys(await world.holds(world.b)).length === 2, 200_000)
        .catch(() => {
          throw new Error(`Lost, ${note}`)
        })
      await world.pass(150_000)
      const view = await living.policies.get('p')
      expect(life.dead, note).toBe(true)
      expect(view, note).toMatchObject({ running: false, failures: 0 })
      expect(await living.tasks.depth(), note).toEqual({ waiting: 0, running: 0, delayed: 0, paused: 0, dead: 0 })
      await world.close()
    }
  },
  runs(600_000, 900_000),
)
