import { createHash } from 'node:crypto'
import { at, type ListedObject, type ListOptions, type ListPage, type StowageError } from '@stowage/core'
import { FakeClock, Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner, hooksOf, runAs } from '../testing/index.ts'

const pageRows = 1000
const digits = 8

/** A store of very many objects that are made up as they are listed, and notes what is asked of it. */
class ManyAdapter extends FakeAdapter {
  readonly count: number
  /** The number of the first key of each listing, and of each page. */
  listings: number[] = []
  pages: number[] = []

  constructor(id: string, count: number, options: ConstructorParameters<typeof FakeAdapter>[0] = {}) {
    super({ id, ...options })
    this.count = count
  }

  override async *list({ prefix = '', startAfter, pageSize, signal }: ListOptions = {}): AsyncGenerator<ListPage> {
    const after = startAfter === undefined ? -1 : this.#numberOf(startAfter.slice(prefix.length))
    const rows = pageSize ?? pageRows
    // Who looks for borders asks for single keys.
    const isWalk = pageSize === undefined
    if (isWalk) this.listings.push(after + 1)
    for (let first = after + 1; first < this.count; first += rows) {
      if (isWalk) {
        await this.options.before?.({ operation: 'list', key: `${first}`, signal })
        this.pages.push(first)
      }
      const objects = Array.from({ length: Math.min(rows, this.count - first) }, (_, i) => object(prefix, first + i))
      yield { objects, prefixes: [] }
    }
  }

  /** The number of the last key up to this one. */
  #numberOf(key: string): number {
    if (key < 'k') return -1
    if (!/^k\d/.test(key)) return key < 'k0' ? -1 : this.count - 1
    const number = /^k(\d{1,8})/.exec(key)?.[1] ?? ''
    return number.length === digits ? Number(number) : Number(number.padEnd(digits, '0')) - 1
  }
}

function object(prefix: string, i: number): ListedObject {
  const name = String(i).padStart(digits, '0')
  return { key: `${prefix}k${name}`, size: 10, etag: createHash('md5').update(name).digest('hex'), lastModified: 0 }
}

function setup(count: number) {
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const listed = (pid: number, life: Life, more: { afterKeys: number; lanes: number }) => {
    const hooks = hooksOf(life)
    const [a, b] = [new ManyAdapter('a', count, hooks), new ManyAdapter('b', count, hooks)]
    const puts: string[] = []
    const counted = { ...mortal(store, 'store', life) }
    const { put } = counted
    counted.put = (key, value, expected) => {
      puts.push(key)
      return put(key, value, expected)
    }
    const { afterKeys, lanes } = more
    const worker = { store: counted, clock, owner: fakeOwner(pid), random: seededRandom(pid), afterKeys }
    const result = runAs(worker, { from: at(a, 'src'), to: at(b, 'dst'), lanes }).catch((error: StowageError) => error)
    return { a, b, puts, result }
  }
  return { clock, listed }
}

const never = (): Life => new Life(Number.POSITIVE_INFINITY, true)

describe('a run that is killed while it lists very many keys', () => {
  const count = repeats(20_000, 200_000)

  it('is gone on with from the last checkpoint, and each of these is of thousands of keys', async () => {
    const { listed } = setup(count)
    const one = { afterKeys: 10 * count, lanes: 1 }
    // Both sides are listed alike.
    const first = listed(1, new Life((1.5 * count) / pageRows, true, /^list /), one)
    expect(await first.result).toMatchObject({ code: 'internal' })
    expect(first.a.pages.length).toBeGreaterThanOrEqual((0.7 * count) / pageRows)
    expect(first.puts.length).toBeLessThanOrEqual(10 + count / 1000)
    const second = listed(2, never(), one)
    expect(await second.result).toMatchObject({ status: 'success', objects: { copied: 0 } })
    // What it had walked over but for the last few thousand keys is not listed before the rest.
    for (const side of [second.a, second.b]) expect(side.listings[0]).toBeGreaterThan(0.7 * count - 3 * 4096)
    expect(second.a.listings[0]).toBeGreaterThan(0)
  })

  it('in partitions, lists nothing again but what was not checkpointed', async () => {
    const size = repeats(100_000, 400_000)
    const { listed } = setup(size)
    const many = { afterKeys: 16_384, lanes: 4 }
    const all = (2 * size) / pageRows
    const first = listed(1, new Life(0.8 * all, true, /^list /), many)
    expect(await first.result).toMatchObject({ code: 'internal' })
    const second = listed(2, never(), many)
    expect(await second.result).toMatchObject({ status: 'success', objects: { skipped: size } })
    const [before, after] = [first, second].map(({ a, b }) => a.pages.length + b.pages.length) as [number, number]
    // Each walk may be some pages behind, and borders are found by pages of their own.
    console.info(`${all} pages: ${before} before it was killed, ${after} after`)
    expect(before + after).toBeLessThanOrEqual(all + 2 * 4 * 5 + 0.3 * all)
  })
})
