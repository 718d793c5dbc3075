import { at, compareKeys, type ListOptions, MAX_RECORD_VALUE, StowageError } from '@stowage/core'
import { repeats } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

const count = repeats(60_000, 120_000)

/** Lists keys that are made on the way; `breakAt` fails the listing after so many. */
class Endless extends FakeAdapter {
  breakAt = Number.POSITIVE_INFINITY
  readonly tail: string

  constructor(id: string, tail: string) {
    super({ id })
    this.tail = tail
  }

  override async *list({ prefix = '', startAfter = '' }: ListOptions = {}): ReturnType<FakeAdapter['list']> {
    const digits = /^\d*/.exec(startAfter.slice(prefix.length))?.[0].slice(0, 9) ?? ''
    const first = Math.floor(Number(digits.padEnd(9, '0')) / 1000) * 1000
    for (let from = first; from < count; from += 1000) {
      if (from >= this.breakAt) throw new StowageError('access-denied', 'No.')
      const objects = Array.from({ length: 1000 }, (_, i) => {
        const key = `${prefix}${String(from + i).padStart(9, '0')}/${this.tail}`
        return { key, size: 1, etag: '0123456789abcdef0123456789abcdef', lastModified: 0 }
      }).filter(({ key }) => compareKeys(key, startAfter) > 0)
      if (objects.length > 0) yield { objects, prefixes: [] }
    }
  }
}

const tails: [name: string, tail: string][] = [
  ['control characters', '\u0001'.repeat(1000)],
  ['three-byte characters', '漢'.repeat(330)],
  ['quotes', '"'.repeat(1000)],
]

it.each(tails.slice(0, repeats(1, 3)))(
  'keys of a thousand bytes of %s fit into records, also where one wish takes over from another',
  async (_, tail) => {
    const store = memoryStore()
    let largest = 0
    const { put } = store
    store.put = (key, value, expected) => {
      largest = Math.max(largest, value.length)
      return put.call(store, key, value, expected)
    }
    const [a, b] = [new Endless('a', tail), new Endless('b', tail)]
    const run = (datasetId: string) => createSync({ store }).run({ from: at(a, 's'), to: at(b, 't'), datasetId })
    expect(await run('one')).toMatchObject({ status: 'success' })
    a.breakAt = count / 2
    await expect(run('one')).rejects.toMatchObject({ code: 'access-denied' })
    a.breakAt = Number.POSITIVE_INFINITY
    expect(await run('two')).toMatchObject({ status: 'success', objects: { skipped: count } })
    expect(largest).toBeLessThanOrEqual(MAX_RECORD_VALUE)
  },
  600_000,
)
