import { at, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

it('a sync of keys by name that a store which was down put an end to goes on where it was', async () => {
  const clock = new FakeClock()
  const [a, b] = [new FakeAdapter({ id: 'a' }), new FakeAdapter({ id: 'b' })]
  const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1), owner: fakeOwner(1) })
  const run = () =>
    sync.run({ from: at(a, ''), to: at(b, ''), keys: ['big'], partSize: 1000, concurrency: 1, outageMs: 5000 })
  a.seed('big', patterned(10_000))
  let isDown = false
  b.options.after = ({ operation }) => {
    if (operation === 'uploadPart' && b.bytesIn >= 6000) isDown = true
  }
  a.options.before = () => {
    if (isDown) throw new StowageError('unavailable', 'down', { retryable: true })
  }
  const first = run()
  await clock.advance(1_000_000)
  expect(await first).toMatchObject({ status: 'failed' })
  isDown = false
  b.options = {}
  const sent = b.bytesIn
  const second = run()
  await clock.advance(1_000_000)
  expect(await second).toMatchObject({ status: 'success' })
  expect(sent).toBeGreaterThanOrEqual(6000)
  expect(b.bytesIn).toBeLessThanOrEqual(11_000)
  expect(b.uploads.size).toBe(0)
})
