import { describe, expect, it } from 'vitest'
import { BlockCache } from './block-cache.ts'

function source() {
  const asked: string[] = []
  const signals: AbortSignal[] = []
  const waiting: (() => void)[] = []
  const fetch = (name: string) => (signal: AbortSignal) => {
    asked.push(name)
    signals.push(signal)
    return new Promise<Uint8Array>((resolve, reject) => {
      waiting.push(() => resolve(Buffer.from(name)))
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  }
  return { asked, signals, fetch, come: () => waiting.splice(0).forEach((go) => void go()) }
}

describe('the cache of blocks', () => {
  it('fetches a block once for all who want it at the same time, and keeps it', async () => {
    const cache = new BlockCache(100)
    const { asked, fetch, come } = source()
    const both = Promise.all([cache.get('a', undefined, fetch('a')), cache.get('a', undefined, fetch('a'))])
    come()
    expect((await both).map(String)).toEqual(['a', 'a'])
    expect(String(await cache.get('a', undefined, fetch('a')))).toBe('a')
    expect(asked).toEqual(['a'])
  })

  it('forgets those that were used longest ago', async () => {
    const cache = new BlockCache(2)
    const { asked, fetch, come } = source()
    const get = async (name: string) => {
      const got = cache.get(name, undefined, fetch(name))
      come()
      return got
    }
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await get(name)
    expect(asked).toEqual(['a', 'b', 'c', 'b'])
    expect(cache.size).toBe(2)
  })

  it('keeps nothing that is larger than all it may keep', async () => {
    const cache = new BlockCache(2)
    const { fetch, come } = source()
    const got = cache.get('large', undefined, fetch('large'))
    come()
    await got
    expect(cache.size).toBe(0)
  })

  it('lets one give up without the others, and stops when the last one does', async () => {
    const cache = new BlockCache(100)
    const { asked, signals, fetch, come } = source()
    const one = new AbortController()
    const first = expect(cache.get('a', one.signal, fetch('a'))).rejects.toMatchObject({ code: 'aborted' })
    const second = cache.get('a', undefined, fetch('a'))
    one.abort()
    await first
    expect(signals[0]?.aborted).toBe(false)
    come()
    expect(String(await second)).toBe('a')

    const two = new AbortController()
    const alone = expect(cache.get('b', two.signal, fetch('b'))).rejects.toMatchObject({ code: 'aborted' })
    two.abort()
    await alone
    expect(signals.at(-1)?.aborted).toBe(true)
    const again = cache.get('b', undefined, fetch('b'))
    come()
    await again
    expect(asked).toEqual(['a', 'b', 'b'])
  })

  it('keeps no failure', async () => {
    const cache = new BlockCache(100)
    await expect(cache.get('a', undefined, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(String(await cache.get('a', undefined, async () => Buffer.from('yes')))).toBe('yes')
  })
})
