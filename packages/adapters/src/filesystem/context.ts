import type { Clock, FileSystem } from '@stowage/core'
import type { Called } from '../shared/index.ts'
import type { KeyLocks } from './locks.ts'
import type { Place } from './place.ts'
import type { Sidecars } from './sidecars.ts'

/** What the parts of one filesystem adapter share. */
export interface Context {
  readonly adapter: Called
  readonly fs: FileSystem
  readonly place: Place
  readonly sidecars: Sidecars
  readonly locks: KeyLocks
  /** Keeps keys apart that the disk would take for one. */
  readonly names: {
    /** @throws StowageError `conflict` when a name of another spelling is in the way */
    assertSame(key: string): Promise<void>
    /** Whether what the disk finds under a key has that name. */
    isSame(key: string): Promise<boolean>
  }
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
