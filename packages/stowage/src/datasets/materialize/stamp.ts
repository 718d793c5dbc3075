import type { ManifestEntry } from '@stowage/core'

/**
 * The time of change that files get when their bytes were found right: 2000-01-01. A write by anybody sets another, so that one look tells
 * whether a file was touched, without an index that could be lost or lag behind.
 */
export const STAMP = 946_684_800

/** What a look at a file tells. */
export interface Look {
  size: number
  mtimeMs: number
}

/** Whether a file is as it was left: this size, and not written to since. */
export function isAsLeft({ size, mtimeMs }: Look, entry: Pick<ManifestEntry, 'size'>): boolean {
  return size === entry.size && mtimeMs === STAMP * 1000
}
