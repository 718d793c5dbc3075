import type { Clock, StorageAdapter } from '@stowage/core'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { readingFaults } from './reading.ts'
import type { FaultCase, FaultSuite, Scene } from './scene.ts'
import { writingFaults } from './writing.ts'

/** Milliseconds without a byte after which a call fails: where a case waits for that, and where none does. */
const silence = { short: 3000, long: 30_000 }

/** A bound against hanging. */
const timeout = 240_000

/** Connections that this process holds, from either end. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

/** Waits until no more connections are open than before. */
function expectClosed(before: number): Promise<void> {
  return vi.waitFor(() => expect(sockets()).toBeLessThanOrEqual(before), { timeout: 120_000 })
}

type Store = Awaited<ReturnType<FaultSuite['start']>>

/**
 * The table of faults: what the wire does to an adapter's calls, and how each must end, with vitest. After every case no connection is
 * open. Those that wait for silence do so at the same time, each on a wire of its own, before the tests that tell how they ended.
 */
export function testFaults(suite: FaultSuite): void {
  const groups = [
    ['reading', readingFaults],
    ['writing', writingFaults],
  ] as const
  const all = groups.flatMap(([group, cases]) => cases.map((one) => ({ name: `${group}: ${one.name}`, one })))
  const isWaiting = ({ one }: { one: FaultCase }): boolean => one.waits !== undefined && one.waits !== false
  describe(`${suite.name} on a wire that breaks`, () => {
    for (const { name, one } of all.filter((each) => !isWaiting(each))) {
      it(
        name,
        async () => {
          const store = await suite.start()
          const before = sockets()
          await play(store, one)
          await expectClosed(before)
        },
        timeout,
      )
    }
    describe('that is silent', () => {
      const waiting = all.filter(isWaiting)
      const outcomes = new Map<FaultCase, { error?: unknown }>()
      beforeAll(async () => {
        const stores: Store[] = []
        while (stores.length < waiting.length) stores.push(await suite.start())
        const before = sockets()
        const playing = waiting.map(async ({ one }, i) => {
          const outcome = await play(stores[i] as Store, one).then(
            () => ({}),
            (error: unknown) => ({ error }),
          )
          outcomes.set(one, outcome)
        })
        await Promise.all(playing)
        await expectClosed(before)
      }, timeout)
      for (const { name, one } of waiting) {
        it(name, () => {
          const { error } = outcomes.get(one) ?? {}
          if (error !== undefined) throw error
          expect(outcomes.has(one)).toBe(true)
        })
      }
    })
  })
}

async function play(store: Store, one: FaultCase): Promise<void> {
  const wire = await store.startWire()
  const silenceMs = typeof one.waits === 'number' ? one.waits : one.waits === true ? silence.short : silence.long
  const waits: number[] = []
  const made: StorageAdapter[] = []
  const clock: Clock = {
    now: () => Date.now(),
    sleep: async (ms) => {
      waits.push(ms)
      scene.atWait?.()
    },
  }
  function create(port?: number, attempts?: number): StorageAdapter {
    const given = { ...(port === undefined ? {} : { port }), ...(attempts === undefined ? {} : { attempts }) }
    // Past the wire nothing is to fail.
    const inactivityTimeoutMs = port === undefined ? silence.long : silenceMs
    const adapter = store.create({ ...given, inactivityTimeoutMs, clock })
    made.push(adapter)
    return adapter
  }
  const stops: (() => Promise<void>)[] = []
  const scene: Scene = {
    adapter: create(wire.port),
    once: create(wire.port, 1),
    direct: create(),
    wire,
    waits,
    atWait: undefined,
    through: async () => {
      const between = await store.startBetween()
      stops.push(() => between.stop())
      return { adapter: create(between.port), between }
    },
  }
  try {
    await one.run(scene)
    wire.clear()
    for (const adapter of made) await adapter.close()
    // Closed by us, not by the end of the wire.
    await vi.waitFor(() => expect(wire.open).toBe(0), { timeout: 120_000 })
  } finally {
    for (const adapter of made) await adapter.close()
    await wire.stop()
    for (const stop of stops) await stop()
  }
}
