import type { DamageKind } from '@stowage/core'

/** Something that a scrub or a verify found. */
export interface ScrubFinding {
  datasetId: string
  /** The first version at the place that has it. */
  version: number
  sourceId: string
  /** The object's key in the source. */
  key: string
  /** What it is called for people: a path in quotes, or what of the manifest it is. */
  name: string
  /**
   * What is wrong. `unread`: it could not be read just now, which says nothing of its bytes. `unsteady`: two reads gave different bytes; it is
   * looked at again, and nothing is marked.
   */
  kind: DamageKind | 'unread' | 'unsteady'
  /** Bad blocks of 8 MiB, from 0, of a file of more than one. */
  blocks: number[]
  message: string
  /** It was written again and read back right. */
  mended: boolean
  /** Every copy was looked at, and none is good. */
  lost: boolean
}

/** Whether the object is known to be bad, and still is. */
export function isBad({ kind, mended }: ScrubFinding): boolean {
  return !mended && kind !== 'unread' && kind !== 'unsteady'
}
