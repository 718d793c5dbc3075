import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, patternBytes, readBytes, text } from '../bytes.ts'
import type { Case } from '../case.ts'

export const copyingCases: Case[] = [
  {
    name: 'copies an object, and leaves the source alone',
    run: async ({ adapter, capabilities, folder }) => {
      const [from, to] = [`${folder}from`, `${folder}to/deep`]
      const bytes = patternBytes(1_000_000)
      await adapter.put(from, bytes)
      if (capabilities.serverSideCopy === false) {
        await expectCode(adapter.copy(from, to), 'not-supported')
        return
      }
      const { etag } = await adapter.copy(from, to)
      expect((await adapter.head(to)).etag).toBe(etag)
      expect((await readBytes(adapter, to)).equals(bytes)).toBe(true)
      await adapter.put(from, text('changed'))
      await adapter.delete(from)
      expect((await readBytes(adapter, to)).equals(bytes)).toBe(true)
    },
  },
  {
    name: 'copies over an object that exists',
    run: async ({ adapter, capabilities, folder }) => {
      if (capabilities.serverSideCopy === false) return
      await adapter.put(`${folder}from`, text('new'))
      await adapter.put(`${folder}to`, text('old one'))
      await adapter.copy(`${folder}from`, `${folder}to`)
      expect((await readBytes(adapter, `${folder}to`)).toString()).toBe('new')
    },
  },
  {
    name: 'refuses to copy what is not there or has changed',
    run: async ({ adapter, capabilities, folder }) => {
      if (capabilities.serverSideCopy === false) return
      const [from, to] = [`${folder}from`, `${folder}to`]
      await expectCode(adapter.copy(from, to), 'not-found')
      const { etag } = await adapter.put(from, text('first'))
      await adapter.put(from, text('other'))
      await expectCode(adapter.copy(from, to, { sourceIfMatch: etag }), 'precondition-failed')
      expect(await exists(adapter, to)).toBe(false)
      await adapter.copy(from, to, { sourceIfMatch: (await adapter.head(from)).etag })
      expect((await readBytes(adapter, to)).toString()).toBe('other')
    },
  },
]
