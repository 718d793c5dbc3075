import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, keysOf, putAll, text } from '../bytes.ts'
import type { Case } from '../case.ts'

export const deletingCases: Case[] = [
  {
    name: 'deletes an object, and is content with one that is not there',
    run: async ({ adapter, folder }) => {
      await putAll(adapter, [`${folder}a/b`, `${folder}a/c`])
      await adapter.delete(`${folder}a/b`)
      await expectCode(adapter.head(`${folder}a/b`), 'not-found')
      await adapter.delete(`${folder}a/b`)
      await adapter.delete(`${folder}never/was`)
      // A folder is no object.
      await adapter.delete(`${folder}a`)
      expect(await keysOf(adapter, { prefix: folder })).toEqual([`${folder}a/c`])
    },
  },
  {
    name: 'deletes many, those that are not there included',
    run: async ({ adapter, folder }) => {
      await putAll(adapter, [`${folder}a`, `${folder}b/c`, `${folder}keep`])
      const { deleted, failed } = await adapter.deleteMany([`${folder}a`, `${folder}b/c`, `${folder}none`])
      expect(deleted.sort()).toEqual([`${folder}a`, `${folder}b/c`, `${folder}none`])
      expect(failed).toEqual([])
      expect(await keysOf(adapter, { prefix: folder })).toEqual([`${folder}keep`])
      expect(await adapter.deleteMany([])).toEqual({ deleted: [], failed: [] })
    },
  },
  {
    name: 'tells the keys that could not be deleted, and deletes the others',
    run: async ({ adapter, folder, under }) => {
      await putAll(adapter, [`${folder}a`, `${folder}locked/b`, `${folder}c`])
      const unlock = await under.lockKey?.(`${folder}locked/b`)
      try {
        const { deleted, failed } = await adapter.deleteMany([`${folder}a`, `${folder}locked/b`, 'nul\0', `${folder}c`])
        const expected = unlock === undefined ? ['nul\0'] : [`${folder}locked/b`, 'nul\0']
        expect(failed.map(({ key }) => key).sort()).toEqual(expected)
        expect(deleted).toContain(`${folder}a`)
        expect(deleted).toContain(`${folder}c`)
        expect(await exists(adapter, `${folder}locked/b`)).toBe(unlock !== undefined)
      } finally {
        await unlock?.()
      }
    },
  },
  {
    name: 'can write where it deleted',
    run: async ({ adapter, folder }) => {
      await adapter.put(`${folder}a/b`, text('x'))
      await adapter.delete(`${folder}a/b`)
      await adapter.put(`${folder}a`, text('now an object'))
      await adapter.delete(`${folder}a`)
      await adapter.put(`${folder}a/b`, text('again'))
      expect(await keysOf(adapter, { prefix: folder })).toEqual([`${folder}a/b`])
    },
  },
  {
    name: 'writes into a folder while its other objects are deleted',
    run: async ({ adapter, folder }) => {
      const writes = Array.from({ length: 40 }, (_, i) => async () => {
        await adapter.put(`${folder}f/g/${i}`, text('x'))
        if (i % 2 === 0) await adapter.delete(`${folder}f/g/${i}`)
      })
      await Promise.all(writes.map((write) => write()))
      expect((await keysOf(adapter, { prefix: folder })).length).toBe(20)
    },
  },
]
