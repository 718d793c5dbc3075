import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { memory } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import type { Alert, StorageAdapter } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import type { PolicyConfig, QueueConfig } from '../config/index.ts'

/** Folders in memory, a catalog in memory and a clock that stands, for several processes. */
export interface World {
  clock: FakeClock
  catalog: Catalog
  a: StorageAdapter
  b: StorageAdapter
  c: StorageAdapter
  alerts: Alert[]
  /** Another process. */
  open(policies?: PolicyConfig[], options?: { queue?: QueueConfig; catalog?: Catalog }): Promise<Stowage>
  /** Moves time on, second by second, and lets work be done meanwhile. */
  pass(ms: number): Promise<void>
  /** Moves time on until something is so. */
  until(what: () => Promise<boolean> | boolean, ms?: number): Promise<void>
  /** The keys and contents of a store. */
  holds(adapter: StorageAdapter): Promise<Record<string, string>>
  close(): Promise<void>
}

/** Manifests are packed by the threads of the process, which time that is moved by hand would leave behind. */
const threads = (): Promise<Buffer> => promisify(gzip)('')

/** @param start milliseconds since the epoch */
export async function openWorld(start: number = Date.UTC(2026, 0, 1)): Promise<World> {
  const clock = new FakeClock(start)
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const [a, b, c] = [memory({ id: 'a', clock }), memory({ id: 'b', clock }), memory({ id: 'c', clock })]
  for (const adapter of [a, b, c]) adapter.close = async () => undefined
  const opened: Stowage[] = []
  let seed = 0
  const alerts: Alert[] = []
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (i % 8 === 0) await threads()
    }
  }
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1000) {
      await clock.advance(Math.min(1000, left))
      await settle()
    }
  }
  return {
    clock,
    catalog,
    a,
    b,
    c,
    alerts,
    pass,
    open: async (policies = [], { queue = { type: 'local' as const }, catalog: own = catalog } = {}) => {
      const sources = (['a', 'b', 'c'] as const).map((id) => ({ id, type: 'memory' as const, isPublic: id === 'a' }))
      const random = seededRandom(++seed)
      const options = { adapters: { a, b, c }, catalog: own, clock, random }
      const stowage = await createStowage({ sources, policies, queue }, options)
      stowage.events.on('alert', (alert) => alerts.push(alert))
      opened.push(stowage)
      return stowage
    },
    until: async (what, ms = 120_000) => {
      for (let left = ms; left > 0; left -= 1000) {
        if (await what()) return
        await pass(1000)
      }
      throw new Error('It did not come about.')
    },
    holds: async (adapter) => {
      const found: Record<string, string> = {}
      for await (const page of adapter.list()) {
        for (const { key } of page.objects) {
          if (key.startsWith('.stowage')) continue
          const chunks: Buffer[] = []
          for await (const chunk of (await adapter.get(key)).body) chunks.push(chunk as Buffer)
          found[key] = Buffer.concat(chunks).toString()
        }
      }
      return found
    },
    close: async () => {
      for (const stowage of opened) {
        const closing = stowage.close()
        await pass(1000)
        await closing
      }
      await catalog.close()
    },
  }
}

/** A policy over two prefixes that runs when it is asked to. */
export function pair(id: string, from: string, to: string, more: Partial<PolicyConfig> = {}): PolicyConfig {
  return { id, on: 'manual', from, to, ...more }
}
