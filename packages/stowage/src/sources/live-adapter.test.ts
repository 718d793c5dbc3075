import { memory } from '@stowage/adapters/memory'
import { testAdapter } from '@stowage/adapters/testing'
import { type StorageAdapter, StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { LiveAdapter } from './live-adapter.ts'

const none = async (): Promise<void> => {}

testAdapter({
  name: 'a live adapter',
  create: async () => {
    const adapter = new LiveAdapter(memory({ id: 'test' }), none)
    return { adapter, cleanup: () => adapter.close() }
  },
})

/** An adapter that tells when it is closed. */
function watched(): { adapter: StorageAdapter; closed: () => boolean } {
  const adapter = memory({ id: 'm' })
  let closed = false
  const close = adapter.close.bind(adapter)
  adapter.close = async () => {
    closed = true
    await close()
  }
  return { adapter, closed: () => closed }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a live adapter', () => {
  it('closes what it replaces when the last call on it has ended, its body read', async () => {
    const [old, young] = [watched(), watched()]
    await old.adapter.put('k', Buffer.alloc(1_000_000, 1))
    await young.adapter.put('k', Buffer.from('young'))
    const live = new LiveAdapter(old.adapter, none)
    const { body } = await live.get('k')
    const listing = live.list()[Symbol.asyncIterator]()
    await listing.next()
    live.replace(async () => young.adapter)
    expect((await live.head('k')).size).toBe(5)
    await settled()
    expect(old.closed()).toBe(false)
    let size = 0
    for await (const chunk of body) size += (chunk as Buffer).length
    expect(size).toBe(1_000_000)
    await settled()
    expect(old.closed()).toBe(false)
    await listing.return?.()
    await settled()
    expect([old.closed(), young.closed()]).toEqual([true, false])
    await live.close()
    expect(young.closed()).toBe(true)
  })

  it('takes the newest of several replacements, made once for many calls', async () => {
    const [old, young] = [watched(), watched()]
    await young.adapter.put('k', Buffer.from('young'))
    const live = new LiveAdapter(old.adapter, none)
    let made = 0
    live.replace(async () => {
      throw new Error('was never the one')
    })
    live.replace(async () => {
      made++
      return young.adapter
    })
    await Promise.all(Array.from({ length: 20 }, () => live.head('k')))
    expect(made).toBe(1)
    await settled()
    expect(old.closed()).toBe(true)
  })

  it('fails the call that needs a replacement which cannot be made, and tries again at the next', async () => {
    const [old, young] = [watched(), watched()]
    await young.adapter.put('k', Buffer.from('young'))
    const live = new LiveAdapter(old.adapter, none)
    let tries = 0
    live.replace(async () => {
      if (tries++ === 0) throw new StowageError('unavailable', 'The key service does not answer.')
      return young.adapter
    })
    await expectCode(live.head('k'), 'unavailable')
    expect((await live.head('k')).size).toBe(5)
  })

  it('lets what is under way finish when it ends, and says why to what comes after', async () => {
    const old = watched()
    await old.adapter.put('k', Buffer.alloc(100_000))
    const live = new LiveAdapter(old.adapter, none)
    const { body } = await live.get('k')
    live.end(new StowageError('configuration', 'The source "m" was removed.'))
    await expectCode(live.head('k'), 'configuration')
    await expectCode(live.multipart.create('k'), 'configuration')
    await expectCode(live.list()[Symbol.asyncIterator]().next(), 'configuration')
    for await (const _ of body) expect(old.closed()).toBe(false)
    await settled()
    expect(old.closed()).toBe(true)
  })
})
