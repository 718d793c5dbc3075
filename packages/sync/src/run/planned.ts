import { harmless } from '@stowage/core'
import type { Side } from '../plan/index.ts'

/** A change that a dry run found to be made. */
export interface PlannedChange {
  action: 'copy' | 'delete'
  /** The side that would be changed: `to`, or with `twoWay` either. */
  at: Side
  /** Relative to the prefix of that side. */
  key: string
  /** Bytes that would be copied. */
  size?: number
}

/** Bytes of keys that are held until it is known whether anything will be deleted. */
const heldBytes = 8 * 1024 * 1024

/** Tells what a dry run finds: copies as they are found, deletes when all is known, since one that fails keeps all of them from being made. */
export class Planned {
  readonly #tell: (change: PlannedChange) => void
  #deletes: PlannedChange[] = []
  #bytes = 0
  #more = 0

  constructor(onPlanned: ((change: PlannedChange) => void) | undefined) {
    this.#tell = harmless(onPlanned, 'onPlanned')
  }

  copy(at: Side, key: string, size: number): void {
    this.#tell({ action: 'copy', at, key, size })
  }

  /** Holds a delete. Of too many, only how many is known. */
  delete(at: Side, key: string): void {
    this.#bytes += 64 + 2 * key.length
    // A copy, since a key cut out of a listing keeps the whole page in memory.
    if (this.#bytes <= heldBytes) this.#deletes.push({ action: 'delete', at, key: Buffer.from(key).toString() })
    else this.#more++
  }

  /** Tells of the deletes. Returns how many were too many to be told. */
  tellDeletes(): number {
    for (const change of this.#deletes) this.#tell(change)
    this.#deletes = []
    return this.#more
  }
}
