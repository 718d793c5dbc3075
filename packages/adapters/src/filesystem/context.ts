import type { Clock } from '@stowage/core'
import type { Called } from '../shared/index.ts'
import type { FileSystem } from './file-system.ts'
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
  readonly clock: Clock
  /** Whether finished writes are flushed to the disk before they count. */
  readonly flush: boolean
  /** A new name, never given before. */
  newId(): string
}
