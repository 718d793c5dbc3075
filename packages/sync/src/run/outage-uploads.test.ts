import { at, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter, fakeOwner, patterned } from '../testing/index.ts'

const size = 10_000
const partSize = 1000

/** A large object whose source goes down when six of its parts are in the target, and has to be back for the next run. */
function setup() {
  const clock = new FakeClock()
  const [a, b] = [new FakeAdapter({ id: 'a' }), new FakeAdapter({ id: 'b' })]
  const sync = createSync({ store: memoryStore({ clock }), clock, random: seededRandom(1), owner: fakeOwner(1) })
  a.seed('big', patterned(size))
  a.options.before = () => {
    if (b.bytesIn >= 6 * partSize) throw new StowageError('unavailable', 'down', { retryable: true })
  }
  const run = async () => {
    const running = sync.run({ from: at(a, ''), to: at(b, ''), partSize, concurrency: 1, outageMs: 5000 })
    await clock.advance(1_000_000)
    return await running
  }
  return { a, b, run }
}

describe('a run that a source which was down put an end to', () => {
  it('keeps the parts that lie in the target, and the next run sends none of them again', async () => {
    const { a, b, run } = setup()
    expect(await run()).toMatchObject({ status: 'failed', error: { code: 'unavailable' } })
    const kept = b.bytesIn
    expect(kept).toBeGreaterThanOrEqual(6 * partSize)
    expect(b.uploads.size).toBe(1)
    a.options = {}
    expect(await run()).toMatchObject({ status: 'success', bytes: { transferred: size - kept, resumed: kept } })
    expect(b.bytesIn).toBe(size)
    expect(b.uploads.size).toBe(0)
    expect(Buffer.from(b.objects.get('big')?.bytes ?? []).equals(patterned(size))).toBe(true)
  })

  it('leaves them to a later run, which throws them away when their object is gone by then', async () => {
    const { a, b, run } = setup()
    expect(await run()).toMatchObject({ status: 'failed' })
    expect(b.uploads.size).toBe(1)
    a.options = {}
    a.objects.delete('big')
    expect(await run()).toMatchObject({ status: 'success' })
    expect(b.uploads.size).toBe(0)
  })
})
