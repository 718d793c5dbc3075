import { hasCode, type Location } from '@stowage/core'
import pLimit from 'p-limit'
import { retry } from '../flow/index.ts'
import type { ObjectFilter, PlannedObject, Side } from '../plan/index.ts'
import type { Shared } from './shared.ts'

/** Objects before a place in the order of keys that later keys may lie below, as if they were folders. */
export type Above = Record<Side, readonly string[]>

export const nothingAbove: Above = { from: [], to: [] }

/**
 * Asks for the objects that a walk beginning behind a key has not met, and that keys to come may lie below: `a` and `a/b`, when it begins at
 * `a-z`. They are beginnings of that key that end before a character no greater than the slash.
 *
 * @param counts which objects of the source do
 */
export async function findAbove(
  { options, filter, transfers }: Shared,
  after: string,
  sides: readonly Side[],
  signal: AbortSignal,
  counts: ObjectFilter = () => true,
): Promise<Above> {
  const keys = [...beginnings(after)].filter((key) => filter(key))
  const limit = pLimit(8)
  const { clock, random, outage } = transfers
  const there = async ({ adapter, prefix }: Location): Promise<PlannedObject[]> => {
    const found = await limit.map(keys, async (key) => {
      try {
        const backoff = { baseMs: 500, maxMs: 5000 }
        const info = await retry(() => adapter.head(prefix + key, { signal }), {
          clock,
          random,
          signal,
          attempts: 4,
          backoff,
          outage,
        })
        return [{ ...info, key }]
      } catch (error) {
        if (hasCode(error, 'not-found', 'invalid-key')) return []
        throw error
      }
    })
    return found.flat()
  }
  const from = sides.includes('from') ? await there(options.from) : []
  const to = sides.includes('to') ? await there(options.to) : []
  const known = new Set(from.map(({ key }) => key))
  return {
    from: from.filter(counts).map(({ key }) => key),
    // What the source has as well is not extra, whether it takes part or not.
    to: to.map(({ key }) => key).filter((key) => !known.has(key)),
  }
}

function* beginnings(key: string): Generator<string> {
  for (let end = 1; end < key.length; end++)
    if (key.charCodeAt(end) <= 0x2f && key[end - 1] !== '/') yield key.slice(0, end)
  if (key !== '' && !key.endsWith('/')) yield key
}
