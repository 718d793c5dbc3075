import { compareKeys, type Location } from '@stowage/core'
import { ledgerBorders, probeBorders } from '../plan/index.ts'
import { type ChunkRef, decodeRefs, type Records, readRecord } from '../state/index.ts'
import type { ResolvedOptions } from './options.ts'

/** A sample of the caller's own listing has twice as many keys as this, at most. */
const sampled = 256

/**
 * Finds keys that divide what is to come: by what the ledger counts, which costs next to nothing; else by a look at the caller's own listing,
 * or a few cheap requests of listings. Empty where nothing can be divided.
 */
export async function findBorders(
  records: Records,
  options: ResolvedOptions,
  rest: readonly ChunkRef[],
  after: string,
  until: string | null,
  want: number,
  signal: AbortSignal,
): Promise<string[]> {
  const known = ledgerBorders(await expanded(records, rest, want, signal), after, until, want)
  if (known.length > 0) return known
  if (options.objects !== undefined) return await sample(options.objects, after, until, want)
  for (const side of ['from', 'to'] as const) {
    const found = await probeBorders((key) => firstAbove(options[side], key, signal), after, until, want)
    if (found.length > 0) return found
  }
  return []
}

/** References fine enough to divide by: those of a level below are read where there are few. */
async function expanded(
  records: Records,
  refs: readonly ChunkRef[],
  want: number,
  signal: AbortSignal,
): Promise<readonly ChunkRef[]> {
  if (refs.length > 2 * want || refs.every((ref) => ref.level === 0)) return refs
  const finer: ChunkRef[] = []
  for (const ref of refs) {
    const found = ref.level === 0 ? undefined : await readRecord(records, ref.record, signal)
    finer.push(...(found === undefined ? [ref] : decodeRefs(ref.record, found.value, ref.level)))
  }
  return await expanded(
    records,
    finer.length > refs.length ? finer : finer.filter(({ level }) => level === 0),
    want,
    signal,
  )
}

async function firstAbove(
  { adapter, prefix }: Location,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  for await (const { objects } of adapter.list({ prefix, startAfter: prefix + key, pageSize: 1, signal })) {
    const [first] = objects
    if (first !== undefined) return first.key.slice(prefix.length)
  }
  return undefined
}

/** Keys at equal distances in the caller's listing, in constant memory: one of so many, and one of twice as many whenever they get too many. */
async function sample(
  objects: NonNullable<ResolvedOptions['objects']>,
  after: string,
  until: string | null,
  want: number,
): Promise<string[]> {
  let kept: string[] = []
  let step = 64
  let seen = 0
  for await (const page of objects(after)) {
    for (const { key } of page) {
      if (compareKeys(key, after) <= 0 || (until !== null && compareKeys(key, until) >= 0)) continue
      if (++seen % step !== 0) continue
      kept.push(key)
      if (kept.length < 2 * sampled) continue
      kept = kept.filter((_, i) => i % 2 === 1)
      step *= 2
    }
  }
  const parts = Math.min(want + 1, kept.length)
  return [
    ...new Set(
      Array.from({ length: Math.max(0, parts - 1) }, (_, i) => kept[Math.floor(((i + 1) * kept.length) / parts)] ?? ''),
    ),
  ]
}
