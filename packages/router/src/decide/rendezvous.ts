import { hashText, type Lanes, toUnit } from '../hash/index.ts'

/**
 * Weighted rendezvous hashing: of several sources the one with the smallest `-ln(u) / weight` is first, `u` being a hash of the key and the
 * source. One key always gives one order; over many keys each source comes first as often as its weight says; taking a source away moves
 * only the keys that it was first for.
 *
 * @param key the hash of what is placed, see `hashText`
 * @param weight 0 puts a source after all others
 */
export function rendezvous(key: Lanes, sourceId: string, weight: number): number {
  // Not Infinity, which JSON cannot say.
  if (!(weight > 0)) return Number.MAX_VALUE
  return Math.min(Number.MAX_VALUE, -Math.log(toUnit(hashText(sourceId, key))) / weight)
}
