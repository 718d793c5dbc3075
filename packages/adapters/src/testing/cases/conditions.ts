import { StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, patternBytes, readBytes, streamOf, text } from '../bytes.ts'
import type { Case } from '../case.ts'

async function winners(calls: Promise<unknown>[]): Promise<number> {
  const results = await Promise.allSettled(calls)
  for (const result of results) {
    // `conflict` is how a store says that another write is under way.
    if (result.status === 'fulfilled') continue
    expect(StowageError.isInstance(result.reason), String(result.reason)).toBe(true)
    expect(['precondition-failed', 'conflict']).toContain(result.reason.code)
  }
  return results.filter((result) => result.status === 'fulfilled').length
}

export const conditionCases: Case[] = [
  {
    name: 'creates only: a second write fails and changes nothing',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}once`
      if (!capabilities.conditional.putCreateOnly) {
        await expectCode(adapter.put(key, text('x'), { ifNoneMatch: '*' }), 'not-supported')
        return
      }
      const { etag } = await adapter.put(key, text('first'), { ifNoneMatch: '*' })
      await expectCode(adapter.put(key, text('second'), { ifNoneMatch: '*' }), 'precondition-failed')
      const large = patternBytes(9 * 1024 * 1024)
      await expectCode(
        adapter.put(key, streamOf(large), { ifNoneMatch: '*', size: large.length }),
        'precondition-failed',
      )
      expect((await adapter.head(key)).etag).toBe(etag)
      expect((await readBytes(adapter, key)).toString()).toBe('first')
      await adapter.delete(key)
      await adapter.put(key, text('third'), { ifNoneMatch: '*' })
    },
  },
  {
    name: 'lets exactly one of racing create-only writes win',
    run: async ({ adapter, capabilities, folder }) => {
      if (!capabilities.conditional.putCreateOnly) return
      for (let round = 0; round < 5; round++) {
        const key = `${folder}race-${round}/in/folders`
        const bodies = Array.from({ length: 8 }, (_, i) => text(`writer ${i}`))
        expect(await winners(bodies.map((body) => adapter.put(key, body, { ifNoneMatch: '*' })))).toBe(1)
        expect((await readBytes(adapter, key)).toString()).toMatch(/^writer \d$/)
      }
    },
  },
  {
    name: 'replaces only the object with the given etag',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}swap`
      const { etag } = await adapter.put(key, text('first'))
      if (!capabilities.conditional.putIfMatch) {
        await expectCode(adapter.put(key, text('x'), { ifMatch: etag }), 'not-supported')
        return
      }
      const second = await adapter.put(key, text('other'), { ifMatch: etag })
      await expectCode(adapter.put(key, text('third'), { ifMatch: etag }), 'precondition-failed')
      expect((await readBytes(adapter, key)).toString()).toBe('other')
      await expectCode(adapter.put(`${folder}none`, text('x'), { ifMatch: second.etag }), 'precondition-failed')
      expect(await exists(adapter, `${folder}none`)).toBe(false)
    },
  },
  {
    name: 'lets exactly one of racing replacements win',
    run: async ({ adapter, capabilities, folder }) => {
      if (!capabilities.conditional.putIfMatch) return
      const key = `${folder}race`
      let { etag } = await adapter.put(key, text('start'))
      for (let round = 0; round < 5; round++) {
        const bodies = Array.from({ length: 6 }, (_, i) => text(`${round}-${i}`))
        expect(await winners(bodies.map((body) => adapter.put(key, body, { ifMatch: etag })))).toBe(1)
        ;({ etag } = await adapter.head(key))
      }
    },
  },
  {
    name: 'deletes only the object with the given etag',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}gone`
      const { etag } = await adapter.put(key, text('first'))
      if (!capabilities.conditional.deleteIfMatch) {
        await expectCode(adapter.delete(key, { ifMatch: etag }), 'not-supported')
        expect(await exists(adapter, key)).toBe(true)
        return
      }
      await adapter.put(key, text('other'))
      await expectCode(adapter.delete(key, { ifMatch: etag }), 'precondition-failed')
      expect((await readBytes(adapter, key)).toString()).toBe('other')
      await adapter.delete(key, { ifMatch: (await adapter.head(key)).etag })
      expect(await exists(adapter, key)).toBe(false)
      await expectCode(adapter.delete(key, { ifMatch: etag }), 'precondition-failed')
    },
  },
]
