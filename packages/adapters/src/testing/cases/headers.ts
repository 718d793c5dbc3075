import type { ObjectHeaders } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, text } from '../bytes.ts'
import type { Case } from '../case.ts'

const headers: ObjectHeaders = {
  contentType: 'application/x-stowage; v="1"',
  cacheControl: 'max-age=60, must-revalidate',
  contentDisposition: 'attachment; filename="a b.bin"',
  contentEncoding: 'identity',
  contentLanguage: 'de, en',
  metadata: {
    plain: 'value',
    'with-dash_and.dot': 'x',
    unicode: 'Größe 文件 😀',
    blanks: '  two  blanks  ',
    empty: '',
    'looks-encoded': '=?UTF-8?B?eA==?=',
    lines: 'one\ntwo\ttabbed',
    long: 'x'.repeat(500),
  },
}

export const headerCases: Case[] = [
  {
    name: 'keeps headers and metadata of any text',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}put`, text('x'), headers)
      expect(await adapter.head(`${folder}put`)).toMatchObject(headers)
      const { info, body } = await adapter.get(`${folder}put`)
      body.destroy()
      expect(info).toMatchObject(headers)
      expect(info.metadata).toEqual(headers.metadata)
    },
  },
  {
    name: 'keeps headers and metadata through a multipart upload',
    run: async ({ adapter, folder }) => {
      const key = `${folder}multipart`
      const { uploadId } = await adapter.multipart.create(key, headers)
      const part = await adapter.multipart.uploadPart(key, uploadId, 1, text('x'))
      await adapter.multipart.complete(key, uploadId, [part])
      expect(await adapter.head(key)).toMatchObject(headers)
    },
  },
  {
    name: 'keeps headers and metadata through a copy, or takes new ones',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}from`, text('x'), headers)
      await adapter.copy(`${folder}from`, `${folder}kept`)
      expect(await adapter.head(`${folder}kept`)).toMatchObject(headers)
      const replaced = { headers: 'replace', contentType: 'text/x-new', metadata: { only: 'ü' } } as const
      await adapter.copy(`${folder}from`, `${folder}replaced`, replaced)
      const info = await adapter.head(`${folder}replaced`)
      expect(info.contentType).toBe('text/x-new')
      expect(info.metadata).toEqual({ only: 'ü' })
      expect(info.cacheControl).toBeUndefined()
    },
  },
  {
    name: 'has no metadata and a content type where none were given',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}bare`, text('x'))
      const info = await adapter.head(`${folder}bare`)
      expect(info.metadata).toEqual({})
      expect(info.contentEncoding).toBeUndefined()
      expect(info.cacheControl).toBeUndefined()
    },
  },
  {
    name: 'refuses headers and metadata names that cannot be sent',
    run: async ({ adapter, folder }) => {
      const key = `${folder}bad`
      const bad: ObjectHeaders[] = [
        { metadata: { Upper: 'x' } },
        { metadata: { 'with space': 'x' } },
        { metadata: { '': 'x' } },
        { contentType: 'text/plain\r\nx-injected: 1' },
      ]
      for (const options of bad) {
        await expectCode(adapter.put(key, text('x'), options), 'invalid-request')
        await expectCode(adapter.multipart.create(key, options), 'invalid-request')
      }
      expect(await exists(adapter, key)).toBe(false)
    },
  },
]
