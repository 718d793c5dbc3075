import { toPrefix } from '../keys/index.ts'
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
