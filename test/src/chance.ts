/**
 * Runs in every worker before its test file: chance repeats, also where a test gives none of its own. What the machine's source of
 * chance rests on gives the same numbers and ids for the same file and seed, and so do pauses, and the order of ids that were made at one time.
 * What a test counts is still to follow from a chance of its own, or from none.
 */
import crypto, { createHash } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { relative } from 'node:path'
import { expect } from 'vitest'
import { testSeed } from './level.ts'

const { testPath = '' } = expect.getState()
let state = createHash('sha256')
  .update(`${testSeed()} ${relative(process.cwd(), testPath)}`)
  .digest()
  .readUInt32BE()

/** Mulberry32. */
function next(): number {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), state | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

Math.random = next

// Without isolation a worker runs several files.
const machine = Symbol.for('stowage.test.randomBytes')
const kept = globalThis as { [machine]?: typeof crypto.randomBytes }
kept[machine] ??= crypto.randomBytes
const randomBytes = kept[machine]
/** So many make an id; others make keys, nonces and names, and stay as they are. */
const ofId = 10
Object.assign(crypto, {
  randomBytes: (size: number, callback?: (error: Error | null, bytes: Buffer) => void) => {
    if (callback !== undefined) return randomBytes(size, callback)
    return size === ofId ? Buffer.from(Array.from({ length: size }, () => Math.floor(next() * 256))) : randomBytes(size)
  },
})
syncBuiltinESMExports()
