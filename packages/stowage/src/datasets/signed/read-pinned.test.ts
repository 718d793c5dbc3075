import { Readable } from 'node:stream'
import { memory } from '@stowage/adapters/memory'
import { type ErrorCode, type GetOptions, type StorageAdapter, StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { readPinned } from './read-pinned.ts'

const bytes = Buffer.from('abcdefghijklmnopqrstuvwxyz')

/** A store whose reads break off after so many bytes each; what was asked for is noted. */
async function breaking(after: number[], code: ErrorCode = 'unavailable') {
  const inner = memory({ id: 'store' })
  await inner.put('k', bytes)
  const starts: number[] = []
  const get = async (key: string, options: GetOptions = {}) => {
    const found = await inner.get(key, options)
    starts.push(found.range.start)
    const left = after.shift()
    if (left === undefined) return found
    async function* broken() {
      let rest = left as number
      for await (const chunk of found.body) {
        yield chunk.subarray(0, rest)
        rest -= Math.min(rest, chunk.length)
        if (rest === 0) throw new StowageError(code, 'broken')
      }
    }
    return { ...found, body: Readable.from(broken()) }
  }
  const adapter = new Proxy(inner as StorageAdapter, {
    get(target, property) {
      const value = property === 'get' ? get : Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const pauses: number[] = []
  const clock = { now: () => 0, sleep: async (ms: number) => void pauses.push(ms) }
  const read = async () => {
    const chunks: Uint8Array[] = []
    const opened = await adapter.get('k')
    for await (const chunk of readPinned(adapter, 'k', opened, { clock, signal: undefined })) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
  return { inner, starts, pauses, read }
}

it('goes on at the same byte', async () => {
  const { read, starts, pauses } = await breaking([3, 10, 1, 1, 1, 1])
  expect(await read()).toBe(bytes.toString())
  expect(starts).toEqual([0, 3, 13, 14, 15, 16, 17])
  // Bytes came each time, so it never waits longer.
  expect(pauses).toEqual([500, 500, 500, 500, 500, 500])
})

it('fails when nothing comes any more, and at once when that will not change', async () => {
  const dead = await breaking([5, 0, 0, 0, 0, 0, 0])
  await expectCode(dead.read(), 'unavailable')
  expect(dead.pauses).toEqual([500, 1000, 2000, 4000])
  const denied = await breaking([5], 'access-denied')
  await expectCode(denied.read(), 'access-denied')
  expect(denied.starts).toEqual([0])
})

it('does not go on in another object', async () => {
  const { read, inner, pauses } = await breaking([5])
  const reading = read()
  await inner.put('k', Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZ'))
  await expectCode(reading, 'precondition-failed')
  expect(pauses).toEqual([500])
})

it('leaves what a store says after the last byte to the digest', async () => {
  const { read } = await breaking([bytes.length], 'integrity')
  expect(await read()).toBe(bytes.toString())
})
