import { BLOCK_SIZE } from '@stowage/core'
import pLimit from 'p-limit'
import type { Cursor } from '../places/index.ts'
import { bytesOf, type Unit, type Unlisted } from '../places/index.ts'

/** Objects that are looked at together, and their bytes. */
const CHUNK = 64
const CHUNK_BYTES = 32 * 1024 * 1024

/** Looks at a time. */
const PARALLEL = 16

export interface InspectAllOptions {
  /** Looks at one object. */
  inspect: (unit: Unit) => Promise<void>
  /** A manifest, or a part of it, cannot be read from anywhere. */
  onUnlisted: (what: Unlisted) => Promise<void>
  /** Whether there is enough left for it. Asked of all but files of several blocks, which ask block by block. */
  afford?: (bytes: number) => Promise<boolean>
  /** All up to here is done. */
  onDone?: (cursor: Cursor) => Promise<void>
}

/**
 * Looks at units, small ones several at a time, large ones alone. Returns whether it came to the end; otherwise there was not enough left.
 */
export async function inspectAll(
  units: AsyncIterable<Unit | Unlisted>,
  { inspect, onUnlisted, afford, onDone }: InspectAllOptions,
): Promise<boolean> {
  const limit = pLimit(PARALLEL)
  let chunk: Unit[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    if (chunk.length === 0) return
    const cursor = chunk.findLast((unit) => unit.cursor !== undefined)?.cursor
    // All of them end before a failure of one is told: nothing goes on behind the caller's back.
    const results = await Promise.allSettled(chunk.map((unit) => limit(inspect, unit)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
    chunk = []
    bytes = 0
    if (cursor !== undefined) await onDone?.(cursor)
  }
  for await (const unit of units) {
    if ('unlisted' in unit) {
      await flush()
      await onUnlisted(unit)
      continue
    }
    const isLarge = unit.what === 'file' && unit.entry.size > BLOCK_SIZE
    if (!isLarge && afford !== undefined && !(await afford(bytesOf(unit)))) {
      await flush()
      return false
    }
    if (isLarge) await flush()
    chunk.push(unit)
    bytes += bytesOf(unit)
    if (isLarge || chunk.length >= CHUNK || bytes >= CHUNK_BYTES) await flush()
  }
  await flush()
  return true
}
