import { StowageError } from '@stowage/core'
import type { Called } from './calls.ts'

/** The object that probes read, in the folder of the probes. Its name changes with its content. */
export const canaryName = 'canary-1'
/** The part of it that they read, in bytes. */
export const canaryRange = { start: 256, length: 512 } as const

const sentence =
  'Stowage reads a part of this object to see whether the store can serve. It may be deleted: it is written again. '
const canarySize = 1024

/** What the canary holds: the same bytes everywhere and always, so that every reader can tell whether they are right. */
export const canaryBytes: Uint8Array = Buffer.from(sentence.repeat(Math.ceil(canarySize / sentence.length))).subarray(
  0,
  canarySize,
)

/** What is written to see whether something can be. */
export const writtenBytes: Uint8Array = Buffer.from('Stowage wrote this to see whether it can, and deletes it again.\n')

/** @throws StowageError `integrity` when these are not the bytes of the canary's part */
export function assertCanary(adapter: Called, bytes: Uint8Array): void {
  const { start, length } = canaryRange
  if (Buffer.compare(bytes, canaryBytes.subarray(start, start + length)) === 0) return
  throw new StowageError('integrity', `${adapter.id}: the canary object does not hold what was written to it.`, {
    sourceId: adapter.id,
    hint: 'Look for what writes into .stowage-probe/, or for a disk that fails; then delete the canary.',
  })
}
