import { BLOCK_SIZE, type MultipartCapabilities } from '@stowage/core'

/** The default size of a part, in bytes: one digest block. Small parts mean little to send again after a crash. */
export const PART_SIZE: number = BLOCK_SIZE

/**
 * The size of an object's parts: what was asked for, within what the store takes, and large enough that there are not too many. Above one
 * block it is a multiple of blocks, so that the object's digest can be put together from its parts'.
 */
export function partSizeFor(size: number, wanted: number, limits: MultipartCapabilities): number {
  const least = Math.max(wanted, limits.minPartSize, Math.ceil(size / limits.maxParts))
  const aligned = least > BLOCK_SIZE ? Math.ceil(least / BLOCK_SIZE) * BLOCK_SIZE : least
  return Math.min(aligned, limits.maxPartSize)
}
