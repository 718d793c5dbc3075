import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, readBytes, text } from '../bytes.ts'
import type { Case } from '../case.ts'

const tags = { team: 'vision', 'with space': 'a+b / c_d:e=f', empty: '' }

async function* chunks(count: number, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(size, i)
}

export const attributeCases: Case[] = [
  {
    name: 'keeps tags of a put, of a multipart upload and of a copy',
    run: async ({ adapter, capabilities, folder }) => {
      const [put, parts, copied] = [`${folder}put`, `${folder}parts`, `${folder}copied`]
      if (!capabilities.tags) {
        await expectCode(adapter.put(put, text('x'), { tags }), 'not-supported')
        expect(await exists(adapter, put)).toBe(false)
        await expectCode(adapter.getTags(put), 'not-supported')
        return
      }
      await adapter.put(put, text('x'), { tags })
      expect(await adapter.getTags(put)).toEqual(tags)
      const { info, body } = await adapter.get(put)
      body.destroy()
      expect([info.tagCount, (await adapter.head(put)).tagCount]).toEqual([
        capabilities.tagCountByHead ? undefined : 3,
        3,
      ])
      if (capabilities.multipart !== false) {
        const { uploadId } = await adapter.multipart.create(parts, { tags })
        const part = await adapter.multipart.uploadPart(parts, uploadId, 1, text('x'))
        await adapter.multipart.complete(parts, uploadId, [part])
        expect(await adapter.getTags(parts)).toEqual(tags)
      }
      if (capabilities.serverSideCopy !== false) {
        await adapter.copy(put, copied)
        expect(await adapter.getTags(copied)).toEqual(tags)
        await adapter.copy(put, copied, { headers: 'replace', tags: { only: 'this' } })
        expect(await adapter.getTags(copied)).toEqual({ only: 'this' })
      }
      await adapter.put(put, text('y'))
      expect(await adapter.getTags(put)).toEqual({})
      expect((await adapter.head(put)).tagCount ?? 0).toBe(0)
      await expectCode(adapter.getTags(`${folder}missing`), 'not-found')
    },
  },
  {
    name: 'refuses a storage class where there are none',
    run: async ({ adapter, capabilities, folder, under: { storageClass = 'STANDARD' } }) => {
      if (capabilities.storageClasses) {
        await adapter.put(`${folder}standard`, text('x'), { storageClass })
        expect((await readBytes(adapter, `${folder}standard`)).toString()).toBe('x')
        return
      }
      await expectCode(adapter.put(`${folder}x`, text('x'), { storageClass: 'STANDARD' }), 'not-supported')
    },
  },
  {
    name: 'takes a stream of unknown length, or says that it needs the length',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}unknown`
      if (!capabilities.unknownSize) {
        await expectCode(adapter.put(key, chunks(3, 10)), 'invalid-request')
        expect(await exists(adapter, key)).toBe(false)
        return
      }
      await adapter.put(key, chunks(0, 0), { contentType: 'text/x-none' })
      expect(await adapter.head(key)).toMatchObject({ size: 0, contentType: 'text/x-none' })
      // Enough for several parts of every store.
      await adapter.put(key, chunks(13, 1_000_000), { metadata: { a: 'b' } })
      expect(await adapter.head(key)).toMatchObject({ size: 13_000_000, metadata: { a: 'b' } })
      const bytes = await readBytes(adapter, key)
      for (let i = 0; i < 13; i++) expect(bytes[i * 1_000_000 + 999_999]).toBe(i)
      if (capabilities.conditional.putCreateOnly) {
        await expectCode(adapter.put(key, chunks(1, 10), { ifNoneMatch: '*' }), 'precondition-failed')
        expect((await adapter.head(key)).size).toBe(13_000_000)
      }
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield* chunks(8, 1_000_000)
        throw new Error('the source broke')
      }
      await expect(adapter.put(`${folder}failed`, failing())).rejects.toThrow()
      expect(await exists(adapter, `${folder}failed`)).toBe(false)
      if (capabilities.multipart !== false) expect(await adapter.multipart.list(`${folder}failed`)).toEqual([])
    },
  },
]
