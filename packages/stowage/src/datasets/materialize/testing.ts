import * as fsp from 'node:fs/promises'
import { memory } from '@stowage/adapters/memory'
import {
  compareKeys,
  type DatasetReplica,
  digestOf,
  Events,
  type FileSystem,
  Manifest,
  type ManifestEntry,
  type StorageAdapter,
  systemClock,
  systemRandom,
  writeManifest,
} from '@stowage/core'
import { type Caller, mortal } from '@stowage/core/testing'
import type { Context } from '../../app/context.ts'
import { keepBlocks } from '../blocks.ts'
import { Setbacks, type VersionPlace } from '../read/index.ts'

/** A version on a source in memory, and what reads it. */
export interface Published {
  context: Context
  place: VersionPlace
  source: StorageAdapter
  /** Where the replica lies in the source. */
  path: string
}

/** Publishes files, as `entries` say where that is given. */
export async function published(
  files: Record<string, Uint8Array>,
  options: { number?: number; source?: StorageAdapter; entries?: (entry: ManifestEntry) => ManifestEntry } = {},
): Promise<Published> {
  const { number = 1, source = memory({ id: 'm' }), entries = (entry) => entry } = options
  const path = 'datasets/d/'
  const list: ManifestEntry[] = []
  let size = 0
  for (const name of Object.keys(files).sort(compareKeys)) {
    const bytes = files[name] as Uint8Array
    const file = digestOf(bytes)
    const key = `draft${number}/${name}`
    await source.put(path + key, bytes)
    await keepBlocks(source, path, file)
    list.push(entries({ path: name, key, size: bytes.length, digest: file.digest }))
    size += bytes.length
  }
  const objects = new Map<string, Uint8Array>()
  const { digest } = await writeManifest(list, async (key, bytes) => void objects.set(key, bytes))
  const manifest = await Manifest.open(digest, async (key) => objects.get(key) as Uint8Array)
  const dates = { createdAt: 0, updatedAt: 0 }
  const replica: DatasetReplica = {
    datasetId: 'd',
    version: number,
    sourceId: source.id,
    path,
    size,
    status: 'ready',
    isPrimary: true,
    ...dates,
  }
  const context = {
    sources: {
      adapter: async () => source,
      report: () => undefined,
      health: () => ({}),
    },
    records: { read: async () => undefined, write: async () => undefined },
    events: new Events(),
    clock: systemClock,
    random: systemRandom,
    reads: { note: () => undefined, hold: async () => true },
    nodes: {},
    setbacks: new Setbacks(systemClock),
  } as unknown as Context
  const place: VersionPlace = {
    version: {
      datasetId: 'd',
      number,
      manifest: digest,
      parents: [],
      author: 'a',
      message: '',
      size,
      fileCount: list.length,
      createdAt: 0,
    },
    replicas: [replica],
    decision: {} as VersionPlace['decision'],
    manifest,
    damaged: new Set(),
    setbacks: new Setbacks(systemClock),
  }
  return { context, place, source, path }
}

/** Bytes that are the same every time. */
export function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed * 17 + (i >> 8)) & 255
  return bytes
}

/** The operating system's calls, each of which passes through a life. A write that its life ends with may have been done by half. */
export function mortalFs(life: Caller, base: FileSystem = fsp): FileSystem {
  const fs = mortal({ ...base }, 'fs', life)
  const open: FileSystem['open'] = async (...args) => {
    const handle = await opened(() => base.open(...args), life)
    const write = handle.write.bind(handle) as (...given: unknown[]) => Promise<unknown>
    const halved = new Proxy(handle, {
      get(target, property) {
        if (property === 'write') {
          return async (buffer: Uint8Array, from: number, length: number, at: number) => {
            await write(buffer, from, Math.ceil(length / 2), at)
            const rest = length - Math.ceil(length / 2)
            if (rest > 0) await write(buffer, from + length - rest, rest, at + length - rest)
            return { bytesWritten: length, buffer }
          }
        }
        const value: unknown = Reflect.get(target, property, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    return mortal(halved, 'file', life)
  }
  return new Proxy(fs, { get: (target, property) => (property === 'open' ? open : Reflect.get(target, property)) })
}

/** Opens a file. Who dies of it gives the file back, as the system does. */
async function opened<T extends { close(): Promise<void> }>(open: () => Promise<T>, life: Caller): Promise<T> {
  let handle: T | undefined
  try {
    return await life.call('fs.open', async () => {
      handle = await open()
      return handle
    })
  } catch (error) {
    await handle?.close()
    throw error
  }
}

/** What a process killed at any moment must not leave: files under their names that are half or wrong. */
export async function wrongFiles(dir: string, files: Record<string, Uint8Array>): Promise<string[]> {
  const wrong: string[] = []
  const names = await fsp.readdir(dir, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const one of names) {
    if (one.isDirectory() || one.name.startsWith('.stowage-')) continue
    const name = `${one.parentPath}/${one.name}`.slice(dir.length + 1)
    const expected = files[name]
    if (expected === undefined || !(await fsp.readFile(`${dir}/${name}`)).equals(expected)) wrong.push(name)
  }
  return wrong
}
