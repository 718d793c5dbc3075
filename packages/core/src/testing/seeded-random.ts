import { type Random, ulid } from '../ports/index.ts'

/**
 * Chance that repeats: the same seed gives the same numbers and ids (mulberry32).
 *
 * @example
 * ```ts
 * const random = seededRandom(7)
 * ```
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return {
    next,
    id: (now) =>
      ulid(
        now,
        Uint8Array.from({ length: 10 }, () => Math.floor(next() * 256)),
      ),
  }
}
