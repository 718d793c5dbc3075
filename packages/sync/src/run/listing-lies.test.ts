import { at, type ListOptions, type ListPage } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, isSafetyStop, memoryStore } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

type Listing = (options?: ListOptions) => AsyncGenerator<ListPage>

/** What a listing does that has something wrong: each ends the run with a code of its own. */
const lies: [string, string, (list: Listing) => Listing][] = [
  [
    'is out of order within a page',
    'unsafe',
    (list) =>
      async function* (options) {
        for await (const page of list(options)) yield { ...page, objects: [...page.objects].reverse() }
      },
  ],
  [
    'gives the same page again and again',
    'unsafe',
    (list) =>
      async function* (options) {
        for await (const page of list(options)) for (;;) yield page
      },
  ],
  [
    'begins again behind its end',
    'unsafe',
    (list) =>
      async function* (options) {
        for (;;) yield* list(options)
      },
  ],
  [
    'gives empty pages without end',
    'unsafe',
    (list) =>
      async function* (options) {
        for await (const page of list(options)) for (yield page; ; ) yield { objects: [], prefixes: [] }
      },
  ],
  [
    'gives keys of another folder',
    'unsafe',
    (list) =>
      async function* (options) {
        for await (const page of list(options))
          yield { ...page, objects: page.objects.map((row) => ({ ...row, key: `other/${row.key}` })) }
      },
  ],
]

it.each(lies.flatMap(([what, code, lie]) => (['a', 'b'] as const).map((side) => [side, what, code, lie] as const)))(
  'a listing of side %s that %s stops the run with its code (%s), and nothing is deleted',
  async (side, _, code, lie) => {
    const clock = new FakeClock()
    const [a, b] = [new FakeAdapter({ id: 'a', pageSize: 3 }), new FakeAdapter({ id: 'b', pageSize: 3 })]
    for (let i = 0; i < 9; i++) a.seed(`src/k${i}`, 'x')
    for (let i = 0; i < 9; i++) b.seed(`dst/extra${i}`, 'x')
    const adapter = { a, b }[side]
    const list: Listing = adapter.list.bind(adapter)
    adapter.list = lie(list)
    const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1) })
    const run = () => sync.run({ from: at(a, 'src'), to: at(b, 'dst'), delete: true, maxDeletePercent: 100 })
    const error = await run().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, field: side === 'a' ? 'from' : 'to', sourceId: side })
    expect(isSafetyStop(error)).toBe(true)
    expect([...b.objects.keys()].filter((key) => key.includes('extra'))).toHaveLength(9)
    expect([b.calls.get('delete'), b.calls.get('deleteMany')]).toEqual([undefined, undefined])
    adapter.list = list
    expect(await run()).toMatchObject({ status: 'success', objects: { deleted: 9 } })
  },
)
