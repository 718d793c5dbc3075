import { prefixesOverlap, toPrefix } from '../keys/index.ts'
import type { Location, StorageAdapter } from './adapter.ts'

/**
 * A folder of a source.
 *
 * @example
 * ```ts
 * await sync.run({ from: at(disk, 'raw'), to: at(lan, 'train/raw') })
 * ```
 */
export function at(adapter: StorageAdapter, folder = ''): Location {
  return { adapter, prefix: toPrefix(folder) }
}

/** How a location is written on the command line and in messages: `SOURCE_ID:PREFIX`. */
export function formatLocation(location: Location): string {
  return `${location.adapter.id}:${location.prefix}`
}

/**
 * Whether both folders are the same or one lies inside the other, also by way of another source that names the same storage.
 * @throws StowageError of an adapter that cannot tell where a folder lies
 */
export async function locationsOverlap(a: Location, b: Location): Promise<boolean> {
  if (a.adapter === b.adapter || a.adapter.id === b.adapter.id) {
    if (prefixesOverlap(a.prefix, b.prefix)) return true
  }
  const [x, y] = await Promise.all([a, b].map(({ adapter, prefix }) => adapter.locate?.(prefix)))
  return x !== undefined && y !== undefined && x.store === y.store && prefixesOverlap(x.path, y.path)
}
