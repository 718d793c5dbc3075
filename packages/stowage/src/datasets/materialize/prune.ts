import { join } from 'node:path'
import type { FileSystem } from '@stowage/core'
import type { FileCache } from './cache.ts'
import { unless } from './file-errors.ts'

/** Uses are told apart by the hour. */
const HOUR_MS = 3_600_000
/** What is left of a full cache, so that it is not looked through again at once. */
const LEAVE = 0.9

/** What a look through the cache found and did. */
export interface Pruned {
  /** Bytes that are there now. */
  bytes: number
  /** Bytes of those that lie in a folder too, so that dropping them would free nothing. */
  heldBytes: number
  evictedBytes: number
}

interface Found {
  path: string
  size: number
  hour: number
  isHeld: boolean
}

/**
 * Keeps a cache in its limit: when it is above, what was not used for the longest time goes until a tenth of the limit is free. What a folder
 * holds stays. Memory does not grow with the number of files: they are counted by the hour of their last use, and looked through once more.
 * Another process that wants a file which goes at that moment fetches it again.
 */
export async function prune(fs: FileSystem, cache: FileCache, maxBytes: number): Promise<Pruned> {
  const free = new Map<number, number>()
  let bytes = 0
  let heldBytes = 0
  for await (const { size, hour, isHeld } of files(fs, cache)) {
    bytes += size
    if (isHeld) heldBytes += size
    else free.set(hour, (free.get(hour) ?? 0) + size)
  }
  if (bytes <= maxBytes) return { bytes, heldBytes, evictedBytes: 0 }
  const wanted = bytes - maxBytes * LEAVE
  const last = lastHour(free, wanted)
  let evictedBytes = 0
  // First those that are older for certain, then as many of the hour that is cut through as are needed.
  for (const isLast of [false, true]) {
    for await (const { path, size, hour, isHeld } of files(fs, cache)) {
      if (isHeld || (isLast ? hour !== last : hour >= last)) continue
      if (evictedBytes >= wanted) break
      if (
        (await unless(
          fs.unlink(path).then(() => true),
          'ENOENT',
        )) !== undefined
      )
        evictedBytes += size
    }
  }
  return { bytes: bytes - evictedBytes, heldBytes, evictedBytes }
}

/** The hour up to which files go for so many bytes to go. */
function lastHour(free: ReadonlyMap<number, number>, wanted: number): number {
  let sum = 0
  for (const hour of [...free.keys()].sort((a, b) => a - b)) {
    sum += free.get(hour) ?? 0
    if (sum >= wanted) return hour
  }
  return Number.POSITIVE_INFINITY
}

async function* files(fs: FileSystem, cache: FileCache): AsyncGenerator<Found> {
  const root = join(cache.root, 'objects')
  for (const folder of (await unless(fs.readdir(root), 'ENOENT')) ?? []) {
    for (const name of (await unless(fs.readdir(join(root, folder)), 'ENOENT', 'ENOTDIR')) ?? []) {
      const path = join(root, folder, name)
      const found = await unless(fs.lstat(path), 'ENOENT')
      if (found === undefined || !/^[0-9a-f]{64}\.\d+$/.test(name) || !found.isFile()) continue
      const { size, atimeMs, nlink } = found
      yield { path, size, hour: Math.floor(atimeMs / HOUR_MS), isHeld: nlink > 1 }
    }
  }
}
