import { compareKeys } from '@stowage/core'
import type { ChunkRef } from '../state/index.ts'

/** Asks a listing for the first key above this one. */
type Probe = (after: string) => Promise<string | undefined>

/** Probes for one set of borders, at most. */
const mostProbes = 64

const lastCodePoint = 0x10ffff

/** Keys between which the references of a ledger have about equally many entries. */
export function ledgerBorders(refs: readonly ChunkRef[], after: string, until: string | null, want: number): string[] {
  const inside = refs.filter(
    (ref) => compareKeys(ref.last, after) > 0 && (until === null || compareKeys(ref.last, until) < 0),
  )
  const total = inside.reduce((sum, ref) => sum + ref.count, 0)
  const borders: string[] = []
  let passed = 0
  for (const ref of inside.slice(0, -1)) {
    passed += ref.count
    if (passed >= ((borders.length + 1) * total) / (want + 1)) borders.push(ref.last)
    if (borders.length === want) break
  }
  return borders
}

/**
 * Finds keys that divide what is listed above `after`, by a few listings of one key each: where the keys to come first differ, the values of
 * that place are halved, and halved again. A long prefix that all of them share costs no more than the logarithm of its length. How many
 * keys lie between two borders nobody knows; whoever comes upon a long stretch divides it again.
 *
 * @param after a key that was listed
 */
export async function probeBorders(ask: Probe, after: string, until: string | null, want: number): Promise<string[]> {
  let left = mostProbes
  const probe: Probe = async (key) => {
    if (left <= 0 || (until !== null && compareKeys(key, until) >= 0)) return undefined
    left--
    const found = await ask(key)
    return found === undefined || (until !== null && compareKeys(found, until) > 0) ? undefined : found
  }
  const borders = new Set<string>()
  /** Keys in whose neighbourhood more may lie. */
  const from = [after]
  for (let key = from.shift(); key !== undefined && borders.size < want && left > 0; key = from.shift()) {
    const ends = [...borders, ...(until === null ? [] : [until])].filter((end) => compareKeys(end, key as string) > 0)
    const end = ends.sort(compareKeys)[0] ?? null
    const found = await divide(probe, key, end, want - borders.size)
    // The key's own stretch is shorter now: its keys may first differ at a later place.
    if (found.some(({ border }) => !borders.has(border))) from.push(key)
    for (const one of found) {
      borders.add(one.border)
      from.push(one.key)
    }
  }
  return [...borders].filter((border) => compareKeys(border, after) > 0).sort(compareKeys)
}

/** Divides what lies above a key at the first place in which it differs from that key. */
async function divide(
  probe: Probe,
  after: string,
  until: string | null,
  want: number,
): Promise<{ border: string; key: string }[]> {
  const points = [...after]
  const inside = (key: string | undefined): key is string =>
    key !== undefined && (until === null || compareKeys(key, until) <= 0)
  /** Whether anything follows what begins with the first `length` characters. */
  const beyond = async (length: number): Promise<string | undefined> => {
    const next = successor(points.slice(0, length))
    const found = next === undefined ? undefined : await probe(next)
    return inside(found) ? found : undefined
  }
  // The longer the beginning, the more follows it: the shortest that something follows ends where the keys to come differ first.
  let [low, high] = [1, points.length]
  let first: string | undefined
  while (low < high) {
    const middle = (low + high) >> 1
    const found = await beyond(middle)
    if (found === undefined) low = middle + 1
    else {
      high = middle
      first = found
    }
  }
  first ??= points.length === 0 ? undefined : await beyond(low)
  if (first === undefined) return []
  const prefix = points.slice(0, low - 1).join('')
  const place = (key: string): number | undefined =>
    key.startsWith(prefix) ? key.codePointAt(prefix.length) : undefined
  const own = points[low - 1]?.codePointAt(0) ?? 0
  const seen = Math.max(own, place(first) ?? 0)
  const top = (until === null ? undefined : place(until)) ?? (seen < 0x80 ? 0x7f : lastCodePoint)
  const found: { border: string; key: string }[] = []
  const spans = [[own, top + 1] as const]
  for (let span = spans.shift(); span !== undefined && found.length < want; span = spans.shift()) {
    const [from, to] = span
    const middle = scalar((from + to) >> 1)
    if (middle <= from) continue
    const key = await probe(prefix + String.fromCodePoint(middle))
    const at = inside(key) ? place(key) : undefined
    if (key === undefined || at === undefined || at >= to) {
      if (middle - from > 1) spans.push([from, middle])
      continue
    }
    const border = prefix + String.fromCodePoint(at)
    if (compareKeys(border, after) > 0) found.push({ border, key })
    spans.push([from, middle], [Math.max(at, middle), to])
  }
  return found
}

/** The least text of that length or less that follows everything that begins with these characters. */
function successor(points: readonly string[]): string | undefined {
  const last = points.at(-1)?.codePointAt(0)
  if (last === undefined) return undefined
  if (last === lastCodePoint) return successor(points.slice(0, -1))
  const next = last + 1
  return points.slice(0, -1).join('') + String.fromCodePoint(next >= 0xd800 && next < 0xe000 ? 0xe000 : next)
}

/** A code point that is a character: surrogates are not. */
function scalar(point: number): number {
  return point >= 0xd800 && point < 0xe000 ? 0xd7ff : point
}
