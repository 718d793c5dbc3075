import type { Clock, StorageAdapter } from '@stowage/core'
import { describe, expect, it } from 'vitest'
import { readingFaults } from './reading.ts'
import type { FaultCase, FaultSuite, Scene } from './scene.ts'
import { writingFaults } from './writing.ts'

/** Milliseconds without a byte after which a call fails: where a case waits for that, and where none does. */
const silence = { short: 1000, long: 30_000 }

/** Connections that this process holds, from either end. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

/**
 * The table of faults: what the wire does to an adapter's calls, and how each must end, with vitest. After every case no connection is
 * open.
 */
export function testFaults(suite: FaultSuite): void {
  describe(`${suite.name} on a wire that breaks`, () => {
    for (const [group, cases] of [
      ['reading', readingFaults],
      ['writing', writingFaults],
    ] as const) {
      for (const one of cases) it(`${group}: ${one.name}`, () => play(suite, one), 240_000)
    }
  })
}

async function play(suite: FaultSuite, one: FaultCase): Promise<void> {
  const store = await suite.start()
  const before = sockets()
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
    await expect.poll(() => wire.open).toBe(0)
  } finally {
    for (const adapter of made) await adapter.close()
    await wire.stop()
    for (const stop of stops) await stop()
  }
  await expect.poll(sockets).toBeLessThanOrEqual(before)
}
