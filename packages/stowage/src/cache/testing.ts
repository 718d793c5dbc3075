import { randomBytes } from 'node:crypto'
import { memory } from '@stowage/adapters/memory'
import { type OpenCatalog, openCatalog } from '@stowage/catalog'
import type { Alert, StorageAdapter } from '@stowage/core'
import { seededRandom } from '@stowage/core/testing'
import { createStowage, type StowageOptions } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import type { CacheConfig } from '../config/index.ts'

export const ada = { userId: 'ada', userType: 'external' } as const
export const node = { userId: 'node', userType: 'internal', region: 'sz' } as const

/** A public origin, an archive beside it and a cache near the computers, all in memory, and a clock that tests move. */
export interface CacheWorld {
  stores: Record<string, StorageAdapter>
  catalog: OpenCatalog
  clock: { now(): number; sleep(ms: number, signal?: AbortSignal): Promise<void> }
  time: { offset: number }
  alerts: Alert[]
  /** A process. */
  open(options?: Partial<StowageOptions> & { cache?: Partial<CacheConfig> }): Promise<Stowage>
  /** Publishes a version of a dataset on the origin. */
  publish(name: string, files: Record<string, Uint8Array | string>, options?: { replace?: boolean }): Promise<string>
}

export async function cacheWorld(cache: Partial<CacheConfig> = {}): Promise<CacheWorld> {
  const time = { offset: 0 }
  const clock = {
    now: () => Date.now() + time.offset,
    sleep: async (_ms: number, signal?: AbortSignal) => {
      await new Promise((resolve) => setImmediate(resolve))
      signal?.throwIfAborted()
    },
  }
  const stores: Record<string, StorageAdapter> = {}
  for (const id of ['origin', 'archive', 'near']) {
    const store = memory({
      id,
      presign: { baseUrl: 'http://127.0.0.1:1/', secret: randomBytes(32).toString('base64') },
    })
    // A store outlives the processes that use it.
    store.close = async () => undefined
    stores[id] = store
  }
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const alerts: Alert[] = []
  let seed = 0
  const open: CacheWorld['open'] = async ({ cache: changes, ...options } = {}) => {
    const opened = await createStowage(
      {
        sources: [
          { id: 'origin', type: 'memory', isPublic: true, region: 'hz' },
          { id: 'archive', type: 'memory', region: 'hz', priority: 200, costPerGbRead: 2 },
          { id: 'near', type: 'memory', region: 'sz', cache: { capacity: 1000, ...cache, ...changes } },
        ],
      },
      { background: false, clock, random: seededRandom(++seed), adapters: stores, catalog, ...options },
    )
    opened.events.on('alert', (alert) => alerts.push(alert))
    return opened
  }
  const publish: CacheWorld['publish'] = async (name, files, options = {}) => {
    const stowage = await open()
    const { datasets } = stowage.as(ada)
    const [there] = await catalog.datasets.findDatasets(name)
    const handle = await (there === undefined ? datasets.create({ name }) : datasets.get(there.id))
    const { draft } = await handle.draft()
    for (const [path, content] of Object.entries(files)) await draft.put(path, Buffer.from(content))
    await handle.publish(draft, options)
    await stowage.close()
    return handle.id
  }
  return { stores, catalog, clock, time, alerts, open, publish }
}

/** Keys of a store, and how many bytes of files lie there: without what Stowage keeps beside them. */
export async function contentsOf(store: StorageAdapter): Promise<{ keys: string[]; bytes: number }> {
  const keys: string[] = []
  let bytes = 0
  for await (const { objects } of store.list()) {
    for (const { key, size } of objects) {
      keys.push(key)
      if (!key.includes('/.stowage/')) bytes += size
    }
  }
  return { keys, bytes }
}

export async function readFile(stowage: Stowage, id: string, path: string, version?: number): Promise<string> {
  const file = await stowage.as(node).datasets.open(id, path, version === undefined ? {} : { version })
  const chunks: Uint8Array[] = []
  for await (const chunk of file.stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
