import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { patternBytes, readBytes, rowsOf, text } from '../bytes.ts'
import type { Case } from '../case.ts'

export const readingCases: Case[] = [
  {
    name: 'gives back the bytes of an object larger than any buffer',
    run: async ({ adapter, folder }) => {
      const bytes = patternBytes(5 * 1024 * 1024 + 321)
      await adapter.put(`${folder}large`, bytes)
      expect((await readBytes(adapter, `${folder}large`)).equals(bytes)).toBe(true)
    },
  },
  {
    name: 'holds an empty object',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}empty`, new Uint8Array())
      const { info, range, body } = await adapter.get(`${folder}empty`)
      expect(await body.toArray()).toEqual([])
      expect(info.size).toBe(0)
      expect(range).toEqual({ start: 0, length: 0 })
      expect(await rowsOf(adapter, { prefix: folder })).toMatchObject([{ key: `${folder}empty`, size: 0 }])
    },
  },
  {
    name: 'gives ranges: first, middle, to the end, and shortened beyond it',
    run: async ({ adapter, folder }) => {
      const key = `${folder}ranged`
      const bytes = patternBytes(100_000)
      await adapter.put(key, bytes)
      const ranges = [
        { start: 0, length: 1 },
        { start: 0, length: 100_000 },
        { start: 12_345, length: 54_321 },
        { start: 99_999 },
        { start: 50_000 },
        { start: 99_000, length: 5_000 },
      ]
      for (const range of ranges) {
        const end = Math.min(range.start + (range.length ?? bytes.length), bytes.length)
        const answer = await adapter.get(key, { range })
        expect(answer.range).toEqual({ start: range.start, length: end - range.start })
        expect(answer.info.size).toBe(bytes.length)
        expect(Buffer.concat(await answer.body.toArray()).equals(bytes.subarray(range.start, end))).toBe(true)
      }
    },
  },
  {
    name: 'refuses ranges that begin at or beyond the end, and ranges that are none',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}ten`, patternBytes(10))
      await adapter.put(`${folder}empty`, new Uint8Array())
      await expectCode(adapter.get(`${folder}ten`, { range: { start: 10 } }), 'invalid-request')
      await expectCode(adapter.get(`${folder}ten`, { range: { start: 99, length: 1 } }), 'invalid-request')
      await expectCode(adapter.get(`${folder}empty`, { range: { start: 0 } }), 'invalid-request')
      await expectCode(adapter.get(`${folder}ten`, { range: { start: -1 } }), 'invalid-request')
      await expectCode(adapter.get(`${folder}ten`, { range: { start: 0, length: 0 } }), 'invalid-request')
      await expectCode(adapter.get(`${folder}ten`, { range: { start: 0.5 } }), 'invalid-request')
    },
  },
  {
    name: 'says not-found for what is not there',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}file/below`, text('x'))
      for (const key of [`${folder}none`, `${folder}file`, `${folder}file/below/deeper`, `${folder}no/such/folder`]) {
        expect((await expectCode(adapter.head(key), 'not-found')).key).toBe(key)
        expect((await expectCode(adapter.get(key), 'not-found')).retryable).toBe(false)
      }
    },
  },
  {
    name: 'says the same of an object in put, head, get and list',
    run: async ({ adapter, folder }) => {
      const key = `${folder}same`
      const put = await adapter.put(key, text('hello'))
      const head = await adapter.head(key)
      const { info, body } = await adapter.get(key)
      body.destroy()
      const [row] = await rowsOf(adapter, { prefix: key })
      expect(head).toMatchObject({ key, size: 5, etag: put.etag })
      expect(info).toMatchObject({ key, size: 5, etag: put.etag })
      expect(row).toMatchObject({ key, size: 5, etag: put.etag })
      expect(put.etag).not.toBe('')
      expect(put.etag).not.toContain('"')
      expect(Math.abs(head.lastModified - (row?.lastModified ?? 0))).toBeLessThan(1000)
    },
  },
  {
    name: 'goes on after bodies that were not read to their end',
    run: async ({ adapter, folder }) => {
      const key = `${folder}unread`
      const bytes = patternBytes(1024 * 1024)
      await adapter.put(key, bytes)
      for (let i = 0; i < 80; i++) {
        const { body } = await adapter.get(key)
        if (i % 2 === 0) await body[Symbol.asyncIterator]().next()
        body.destroy()
      }
      expect((await readBytes(adapter, key)).equals(bytes)).toBe(true)
    },
  },
  {
    name: 'pins a read to an etag',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}pinned`
      const first = await adapter.put(key, text('first'))
      if (!capabilities.conditional.get) {
        await expectCode(adapter.get(key, { ifMatch: first.etag }), 'not-supported')
        await expectCode(adapter.head(key, { ifMatch: first.etag }), 'not-supported')
        return
      }
      expect((await adapter.head(key, { ifMatch: first.etag })).size).toBe(5)
      const pinned = await adapter.get(key, { ifMatch: first.etag, range: { start: 1, length: 2 } })
      expect(Buffer.concat(await pinned.body.toArray()).toString()).toBe('ir')
      await adapter.put(key, text('other'))
      await expectCode(adapter.head(key, { ifMatch: first.etag }), 'precondition-failed')
      await expectCode(adapter.get(key, { ifMatch: first.etag }), 'precondition-failed')
      await expectCode(adapter.get(key, { ifMatch: first.etag, range: { start: 1 } }), 'precondition-failed')
    },
  },
  {
    name: 'finishes a read that began before the object was replaced, or fails it, but mixes nothing',
    run: async ({ adapter, folder }) => {
      const key = `${folder}replaced`
      const [before, after] = [patternBytes(4 * 1024 * 1024, 2), patternBytes(4 * 1024 * 1024, 3)]
      await adapter.put(key, before)
      const { body } = await adapter.get(key)
      await adapter.put(key, after)
      const read = await body
        .toArray()
        .then((chunks) => Buffer.concat(chunks))
        .catch((error: { code: string }) => error.code)
      if (typeof read === 'string') expect(['source-changed', 'integrity', 'unavailable']).toContain(read)
      else expect(read.equals(before)).toBe(true)
    },
  },
]
