import { Readable } from 'node:stream'
import { readAll, StowageError } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { memory } from '../memory/index.ts'
import { watchCalls } from './index.ts'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function watched(isTimed = false) {
  const clock = new FakeClock()
  const inner = memory({ id: 'm', pageSize: 1 })
  const ends: string[] = []
  let underWay = 0
  const adapter = watchCalls(
    inner,
    {
      began: () => {
        underWay++
        return isTimed
      },
      ended: (operation, end, ms) => {
        underWay--
        const how = typeof end === 'string' ? end : end.code
        ends.push(`${operation} ${how}${ms === undefined ? '' : ` ${ms}`}`)
      },
    },
    () => clock.now(),
  )
  return { adapter, inner, clock, ends: () => ends.splice(0), underWay: () => underWay }
}

it('tells how each call ends, and counts those under way', async () => {
  const { adapter, ends, underWay } = watched()
  const put = adapter.put('a', Buffer.alloc(100))
  expect(underWay()).toBe(1)
  await put
  await adapter.put('b', Buffer.alloc(1))
  await expectCode(adapter.head('none'), 'not-found')
  await expectCode(adapter.get('none'), 'not-found')
  expect(ends()).toEqual(['put ok', 'put ok', 'head not-found', 'get not-found'])
  for await (const _page of adapter.list()) expect(underWay()).toBe(0)
  const { uploadId } = await adapter.multipart.create('c')
  await adapter.multipart.abort('c', uploadId)
  expect(ends().filter((end) => end !== 'list ok')).toEqual(['multipart.create ok', 'multipart.abort ok'])
  expect(underWay()).toBe(0)
})

it('takes a read for over when its body is, and tells one that was left from one that was read and one that broke', async () => {
  const { adapter, inner, ends, underWay } = watched()
  await adapter.put('a', Buffer.alloc(1_000_000))
  ends()
  const whole = await adapter.get('a')
  expect(underWay()).toBe(1)
  await readAll(whole.body, 1_000_000)
  await settled()
  ;(await adapter.get('a')).body.destroy()
  await settled()
  const get = inner.get.bind(inner)
  inner.get = async (key, options) => {
    const result = await get(key, options)
    result.body.destroy()
    const broken = Readable.from(
      (async function* () {
        yield Buffer.alloc(10)
        throw new StowageError('unavailable', 'The connection broke.')
      })(),
    )
    return { ...result, body: broken }
  }
  await expectCode(readAll((await adapter.get('a')).body, 1_000_000), 'unavailable')
  await settled()
  expect(ends()).toEqual(['get ok', 'get left', 'get unavailable'])
  expect(underWay()).toBe(0)
})

it('times a read until its answer', async () => {
  const { adapter, inner, clock, ends } = watched(true)
  await adapter.put('a', Buffer.alloc(10))
  const get = inner.get.bind(inner)
  inner.get = async (key, options) => {
    await clock.advance(40)
    return get(key, options)
  }
  const { body } = await adapter.get('a')
  await clock.advance(1000)
  await readAll(body, 10)
  await settled()
  expect(ends()).toEqual(['put ok 0', 'get ok 40'])
})
