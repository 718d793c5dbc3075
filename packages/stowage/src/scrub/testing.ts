import { memory } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { type Alert, BLOCK_SIZE, type StorageAdapter, systemClock } from '@stowage/core'
import { seededRandom } from '@stowage/core/testing'
import { createStowage, type StowageOptions } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import type { ScrubConfig } from '../config/index.ts'

/** Sources in memory, a catalog, and a clock that tests move. Processes are opened on them. */
export interface ScrubWorld {
  stores: Record<string, StorageAdapter>
  catalog: Catalog
  clock: { now(): number; sleep(ms: number, signal?: AbortSignal): Promise<void> }
  time: { offset: number }
  alerts: Alert[]
  /** A process. */
  open(options?: Partial<StowageOptions> & { scrub?: ScrubConfig; sources?: string[] }): Promise<Stowage>
  /** Publishes a version of `cats` on the first source, and copies it to the others. */
  publish(files: Record<string, Uint8Array | string>): Promise<string>
}

export const ada = { userId: 'ada', userType: 'external' } as const

/** Bytes that differ from block to block. */
export function bytesOfBlocks(blocks: number, rest = 7, seed = 1): Buffer {
  const bytes = Buffer.alloc(blocks * BLOCK_SIZE + rest)
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2654435761)
  return bytes
}

export async function scrubWorld(ids: readonly string[] = ['a', 'b']): Promise<ScrubWorld> {
  const time = { offset: 0 }
  const clock = {
    now: () => Date.now() + time.offset,
    // Pauses between tries take no time; those between signs of life do.
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms < 3000 ? 0 : ms, signal),
  }
  const stores: Record<string, StorageAdapter> = {}
  for (const id of ids) {
    const store = memory({ id })
    // A store outlives the processes that use it.
    store.close = async () => undefined
    stores[id] = store
  }
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const alerts: Alert[] = []
  let seed = 0
  const open: ScrubWorld['open'] = async ({ scrub, sources = [...ids], ...options } = {}) => {
    const opened = await createStowage(
      {
        sources: sources.map((id) => ({ id, type: 'memory', isPublic: id === sources[0] })),
        ...(scrub === undefined ? {} : { scrub }),
      },
      { background: false, clock, random: seededRandom(++seed), adapters: stores, catalog, ...options },
    )
    opened.events.on('alert', (alert) => alerts.push(alert))
    return opened
  }
  const publish: ScrubWorld['publish'] = async (files) => {
    const stowage = await open()
    const { datasets } = stowage.as(ada)
    const [there] = await catalog.datasets.findDatasets('cats')
    const cats = await (there === undefined ? datasets.create({ name: 'cats' }) : datasets.get(there.id))
    const { draft } = await cats.draft()
    for (const [path, content] of Object.entries(files)) await draft.put(path, Buffer.from(content))
    const version = await cats.publish(draft)
    for (const to of ids.slice(1)) await stowage.replicate(cats.id, version.number, to)
    await stowage.close()
    return cats.id
  }
  return { stores, catalog, clock, time, alerts, open, publish }
}

/** The key of the one object whose key has this in it. */
export async function keyWith(store: StorageAdapter, part: string): Promise<string> {
  for await (const page of store.list()) for (const { key } of page.objects) if (key.includes(part)) return key
  throw new Error(`there is no "${part}"`)
}

export async function bytesAt(store: StorageAdapter, key: string): Promise<Buffer> {
  const { body } = await store.get(key)
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Flips a byte of an object where it lies, as rot does. */
export async function rot(store: StorageAdapter, part: string, at = 0): Promise<string> {
  const key = await keyWith(store, part)
  const bytes = Buffer.from(await bytesAt(store, key))
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await store.put(key, bytes)
  return key
}
