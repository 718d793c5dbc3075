import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'

/** Spells the etags of a fake's listing, and nothing else, in another way. */
function respell(adapter: FakeAdapter, spell: (etag: string) => string): void {
  const { list } = adapter
  adapter.list = async function* (options) {
    for await (const page of list.call(adapter, options))
      yield { ...page, objects: page.objects.map((object) => ({ ...object, etag: spell(object.etag) })) }
  }
}

const spellings: Record<string, (etag: string) => string> = {
  quoted: (etag) => `"${etag}"`,
  weak: (etag) => `W/"${etag}"`,
  'in capitals': (etag) => etag.toUpperCase(),
  'quoted, in capitals': (etag) => `"${etag.toUpperCase()}"`,
}

describe.each(Object.entries(spellings))('a listing whose etags are %s, unlike those of a head', (_, spell) => {
  it.each([
    ['source', true, false],
    ['target', false, true],
    ['source and target', true, true],
  ])('of the %s, makes nothing be copied again', async (_side, source, target) => {
    for (const metadata of ['native', 'none'] as const) {
      const a = new FakeAdapter({ id: 'a' })
      const b = new FakeAdapter({ id: 'b', capabilities: { metadata } })
      if (source) respell(a, spell)
      if (target) respell(b, spell)
      const clock = new FakeClock()
      const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1) })
      a.seed('src/small', 'hello')
      a.seed('src/large', patterned(3500))
      const run = async () => {
        const running = sync.run({ from: at(a, 'src'), to: at(b, 'dst'), partSize: 1000 })
        let ended = false
        const end = (): void => {
          ended = true
        }
        running.then(end, end)
        for (let i = 0; i < 200 && !ended; i++) await clock.advance(1000)
        return await running
      }
      expect(await run()).toMatchObject({ status: 'success', objects: { copied: 2 } })
      for (let again = 0; again < 2; again++)
        expect(await run()).toMatchObject({ status: 'success', objects: { copied: 0, skipped: 2 } })
      a.seed('src/small', 'hallo')
      expect(await run()).toMatchObject({ status: 'success', objects: { copied: 1, skipped: 1 } })
    }
  })
})
