import { at, type HeadOptions, type ObjectInfo, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

/** Takes requests and never answers, like a server whose process is frozen: only a signal ends a call. */
class SilentAdapter extends FakeAdapter {
  asked = 0

  override head(_key: string, { signal }: HeadOptions = {}): Promise<ObjectInfo> {
    this.asked++
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new StowageError('aborted', 'The call was aborted.')))
    })
  }
}

describe('a target that takes requests and never answers', () => {
  it.each([
    [undefined, 60_000],
    [8_000, 8_000],
    [3_600_000, 60_000],
    [0, 1_000],
  ])('with outageMs %s is given up after %s ms, before anything is touched', async (outageMs, within) => {
    const clock = new FakeClock()
    const sync = createSync({ store: memoryStore(), clock, random: seededRandom(1) })
    const from = new FakeAdapter({ id: 'a' })
    const to = new SilentAdapter({ id: 'b' })
    from.seed('src/k', 'one')
    const limit = outageMs === undefined ? {} : { outageMs }
    let failed: unknown
    const run = sync.run({ from: at(from, 'src'), to: at(to, 'dst'), ...limit }).catch((error: unknown) => {
      failed = error
    })
    await clock.advance(within - 1)
    expect(to.asked).toBeGreaterThan(0)
    expect(failed).toBeUndefined()
    await clock.advance(1)
    await run
    expect(failed).toMatchObject({ code: 'timeout', field: 'to', sourceId: 'b', retryable: true })
    expect(clock.sleeping).toBe(0)
  })

  it('is left at once when the run is told to stop', async () => {
    const clock = new FakeClock()
    const sync = createSync({ store: memoryStore(), clock, random: seededRandom(1) })
    const to = new SilentAdapter({ id: 'b' })
    const stop = new AbortController()
    const run = sync.run({ from: at(new FakeAdapter({ id: 'a' }), 'src'), to: at(to, 'dst'), signal: stop.signal })
    await clock.advance(10)
    stop.abort()
    await expect(run).rejects.toMatchObject({ code: 'aborted' })
    expect(clock.sleeping).toBe(0)
  })
})
