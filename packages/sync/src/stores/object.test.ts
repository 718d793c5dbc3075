import { type StorageAdapter, StowageError } from '@stowage/core'
import { expectCode, testSyncStore } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { FakeAdapter } from '../testing/index.ts'
import { objectStore } from './index.ts'

const fake = (conditional: Partial<StorageAdapter['capabilities']['conditional']> = {}): FakeAdapter => {
  const all = { get: true, putCreateOnly: true, putIfMatch: true, completeCreateOnly: true, deleteIfMatch: false }
  return new FakeAdapter({ capabilities: { conditional: { ...all, ...conditional } }, now: () => Date.now() })
}

testSyncStore({
  name: 'a bucket that deletes without conditions',
  create: async () => {
    const adapter = fake()
    return {
      store: objectStore(adapter),
      reopen: async () => objectStore(adapter),
      cleanup: async () => {},
    }
  },
})

describe('a store in a bucket', () => {
  it('refuses a store without conditional writes', () => {
    expect(() => objectStore(fake({ putIfMatch: false }))).toThrow(expect.objectContaining({ code: 'not-supported' }))
  })

  it('says that it does not know what became of a write whose answer was lost', async () => {
    const adapter = fake()
    const store = objectStore(adapter)
    const first = await store.put('k', new Uint8Array([1]), null)
    adapter.options.after = ({ operation }) => {
      if (operation === 'put') throw new StowageError('timeout', 'lost', { retryable: true })
    }
    await expectCode(store.put('k', new Uint8Array([2]), first), 'unavailable')
    adapter.options = {}
    const found = await store.get('k')
    expect([...(found?.value ?? [])]).toEqual([2])
    expect(found?.revision).not.toBe(first)
  })

  it('leaves nothing of a record that was deleted on a condition but a mark, which a new one takes the place of', async () => {
    const adapter = fake()
    const store = objectStore(adapter, { prefix: 'state' })
    const revision = await store.put('k', new Uint8Array(100), null)
    await store.delete('k', revision)
    expect([...adapter.objects.keys()]).toEqual(['state/k!'])
    expect(await store.list('')).toEqual([])
    await expectCode(store.put('k', new Uint8Array(1), revision), 'conflict')
    await store.put('k', new Uint8Array(2), null)
    await expectCode(store.put('k', new Uint8Array(3), null), 'conflict')
    expect((await store.get('k'))?.value).toHaveLength(2)
  })

  it('refuses what a newer version wrote, and what is damaged', async () => {
    const adapter = fake()
    const store = objectStore(adapter, { prefix: '' })
    await adapter.put('new!', Buffer.concat([Uint8Array.of(2), new Uint8Array(50)]))
    await expectCode(store.get('new'), 'newer-format')
    await adapter.put('short!', Buffer.from('x'))
    await expectCode(store.get('short'), 'integrity')
  })
})

describe('its clock', () => {
  const withClocks = (ahead: number, step: number) => {
    const local = { now: 1_800_000_000_000 }
    const clock = { now: () => (local.now += step), sleep: async () => {} }
    const adapter = new FakeAdapter({ now: () => Math.floor((local.now + ahead) / 1000) * 1000 })
    return { local, store: objectStore(adapter, { clock }), real: () => local.now + ahead }
  }

  it.each([0, 12_345_678, -86_400_000])('is that of the bucket, whatever this machine says (%d ms)', async (ahead) => {
    const { store, real, local } = withClocks(ahead, 7)
    for (let i = 0; i < 50; i++) {
      const told = await store.now()
      expect(told).toBeLessThanOrEqual(real())
      expect(told).toBeGreaterThan(real() - 1100)
      local.now += 61_013
    }
    // What is known of the difference gets better with every measurement.
    expect(await store.now()).toBeGreaterThan(real() - 200)
  })

  it('follows when this machine is set, and never goes back', async () => {
    const { store, local } = withClocks(0, 7)
    const before = await store.now()
    local.now += 3_600_000
    expect(await store.now()).toBeGreaterThan(before + 3_500_000)
    local.now -= 7_200_000
    expect(await store.now()).toBeGreaterThanOrEqual(before)
  })
})
