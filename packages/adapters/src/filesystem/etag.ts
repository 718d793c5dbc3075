import type { BigIntStats } from 'node:fs'

/** What the adapter needs of a file's status. */
export type FileStatus = Pick<BigIntStats, 'size' | 'mtimeNs'>

/** A file's etag: time of change in nanoseconds and size, both hexadecimal. A same-size change with a new time is always noticed. */
export function etagOf(status: FileStatus): string {
  return `${status.mtimeNs.toString(16)}-${status.size.toString(16)}`
}

/** Milliseconds since the epoch. */
export function modifiedAt(status: FileStatus): number {
  return Number(status.mtimeNs / 1_000_000n)
}
