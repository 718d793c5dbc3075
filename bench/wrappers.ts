import { memory } from '@stowage/adapters/memory'
import { circuitBreaker, limitBandwidth, limitConcurrency, meter, watchCalls } from '@stowage/adapters/wrappers'
import type { StorageAdapter } from '@stowage/core'
import { median } from './large-file.ts'

const ROUNDS = 7
const CALLS = 20_000

/** What the wrappers add to a call, in microseconds, by the side of the bare adapter in the same rounds. */
export async function benchWrappers(): Promise<void> {
  const adapter = memory({ id: 'm' })
  await adapter.put('a', Buffer.alloc(4096))
  const onCall = (): void => {}
  const metered = meter(adapter, { onCall })
  const candidates: Record<string, StorageAdapter> = {
    bare: adapter,
    watchCalls: watchCalls(adapter, { began: () => false, ended: () => {} }),
    'meter, nobody listens': meter(adapter, { onCall, isOn: () => false }),
    meter: metered,
    limitConcurrency: limitConcurrency(adapter, { concurrency: 64 }),
    limitBandwidth: limitBandwidth(adapter, { up: 1e12, down: 1e12 }),
    circuitBreaker: circuitBreaker(adapter),
    'all four': limitConcurrency(circuitBreaker(limitBandwidth(metered, { up: 1e12, down: 1e12 })), {
      concurrency: 64,
    }),
  }
  const calls: Record<string, (on: StorageAdapter) => Promise<unknown>> = {
    head: (on) => on.head('a'),
    'get of 4 KiB': async (on) => {
      for await (const _chunk of (await on.get('a')).body) {
        // Read to its end.
      }
    },
  }
  for (const [call, make] of Object.entries(calls)) {
    const times: Record<string, number[]> = {}
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, on] of Object.entries(candidates)) {
        const begun = performance.now()
        for (let i = 0; i < CALLS; i++) await make(on)
        // The first round warms up.
        if (round > 0) times[name] = [...(times[name] ?? []), ((performance.now() - begun) * 1000) / CALLS]
      }
    }
    const bare = median(times['bare'] ?? [])
    for (const [name, all] of Object.entries(times)) {
      const us = median(all)
      const added = name === 'bare' ? '' : `, +${(us - bare).toFixed(2)} us`
      process.stdout.write(`  ${call}, ${name}: ${us.toFixed(2)} us a call${added}\n`)
    }
  }
}
