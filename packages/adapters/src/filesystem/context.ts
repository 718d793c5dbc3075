import type { Clock } from '@stowage/core'
import type { Called } from '../shared/index.ts'
import type { FileSystem } from './file-system.ts'
import type { KeyLocks } from './locks.ts'
import type { Names } from './names.ts'
import type { Place } from './place.ts'
import type { Sidecars } from './sidecars.ts'

/** What the parts of one filesystem adapter share. */
export interface Context {
  readonly adapter: Called
  readonly fs: FileSystem
  readonly place: Place
  readonly sidecars: Sidecars
  readonly locks: KeyLocks
  readonly names: Names
  readonly clock: Clock
  /** Whether finished writes are flushed to the disk before they count. */
  readonly flush: boolean
  /** A new name, never given before. */
  newId(): string
  /** From 0 up to, not including, 1. */
  chance(): number
  /** What comes before the first write: cleaning up after calls that died. `now` is the disk's time, in milliseconds. */
  prepare(now: number): Promise<void>
}
