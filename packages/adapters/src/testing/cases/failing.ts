import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import type { StorageAdapter } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { pagesOf, text } from '../bytes.ts'
import type { Case } from '../case.ts'

/** Calls of every kind, as thunks. */
function calls(adapter: StorageAdapter, key: string): (() => Promise<unknown>)[] {
  return [
    () => adapter.put(key, text('x')),
    () => adapter.get(key),
    () => pagesOf(adapter, {}),
    () => adapter.multipart.create(key),
  ]
}

export const failingCases: Case[] = [
  {
    name: 'says access-denied for a wrong secret, and never shows a secret',
    run: async ({ adapter, folder, under }) => {
      const { secret } = under
      if (secret !== undefined) expect(inspect(adapter, { depth: 20, showHidden: true })).not.toContain(secret)
      const broken = under.createBroken?.()
      if (broken === undefined) return
      for (const call of [
        ...calls(broken, `${folder}x`),
        () => broken.head(`${folder}x`),
        () => broken.delete(`${folder}x`),
      ]) {
        const error = await expectCode(call(), 'access-denied')
        expect(error.retryable).toBe(false)
        expect(error.hint).toBeTruthy()
        expect(error.message).not.toContain('\n')
        if (secret !== undefined) expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret)
      }
      const { failed } = await broken.deleteMany([`${folder}x`])
      expect(failed.map(({ error }) => error.code)).toEqual(['access-denied'])
      expect(await broken.probe()).toMatchObject({ ok: false, error: { code: 'access-denied' } })
      await broken.close()
    },
  },
  {
    name: 'says bucket-not-found for a bucket or root that does not exist',
    run: async ({ folder, under }) => {
      const missing = under.createMissing?.()
      if (missing === undefined) return
      for (const call of calls(missing, `${folder}x`)) {
        const error = await expectCode(call(), 'bucket-not-found')
        expect(error.hint).toBeTruthy()
      }
      expect(await missing.probe()).toMatchObject({ ok: false, error: { code: 'bucket-not-found' } })
      await missing.close()
    },
  },
  {
    name: 'finds itself well in a probe',
    run: async ({ adapter }) => {
      const result = await adapter.probe()
      expect(result).toMatchObject({ ok: true })
      expect(result.latencyMs).toBeGreaterThanOrEqual(0)
      expect(result.error).toBeUndefined()
    },
  },
  {
    name: 'tells of a dead endpoint in a probe within its time, and in calls as unavailable',
    run: async ({ under }) => {
      const dead = under.createDead?.()
      if (dead === undefined) return
      const result = await dead.probe({ timeoutMs: 2000 })
      expect(result.ok).toBe(false)
      expect(['unavailable', 'timeout']).toContain(result.error?.code)
      const error = await expectCode(dead.head('x'), 'unavailable', 'timeout')
      expect(error.retryable).toBe(true)
      await dead.close()
    },
  },
  {
    name: 'refuses calls after close',
    run: async ({ createAnother }) => {
      const { adapter, cleanup } = await createAnother()
      try {
        await adapter.put('a', text('x'))
        await adapter.close()
        await adapter.close()
        for (const call of [
          ...calls(adapter, 'a'),
          () => adapter.head('a'),
          () => adapter.delete('a'),
          () => adapter.deleteMany(['a']),
        ]) {
          await expectCode(call(), 'invalid-request')
        }
        expect((await adapter.probe()).ok).toBe(false)
      } finally {
        await cleanup()
      }
    },
  },
  {
    name: 'refuses what its capabilities do not declare',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}x`
      await adapter.put(key, text('x'))
      if (!capabilities.archive) await expectCode(adapter.restore(key, { days: 1 }), 'not-supported')
      if (!capabilities.versions) {
        await expectCode(adapter.head(key, { versionId: 'v' }), 'not-supported')
        await expectCode(adapter.get(key, { versionId: 'v' }), 'not-supported')
        await expectCode(adapter.delete(key, { versionId: 'v' }), 'not-supported')
      }
      for (const method of ['get', 'put', 'part'] as const) {
        if (capabilities.presign.includes(method)) continue
        const presign = adapter.presign({ method, key, expiresIn: 60, uploadId: 'u', partNumber: 1 })
        await expectCode(presign, 'not-supported')
      }
      expect((await adapter.head(key)).size).toBe(1)
    },
  },
  {
    name: 'tells a path under which other programs read the object, or refuses',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}mounted/file.txt`
      await adapter.put(key, text('through the disk'))
      if (capabilities.mount) expect(await readFile(adapter.mountPath(key), 'utf8')).toBe('through the disk')
      else await expectCode((async () => adapter.mountPath(key))(), 'not-supported')
    },
  },
  {
    name: 'declares limits that make sense',
    run: async ({ adapter, capabilities }) => {
      expect(adapter.id).not.toBe('')
      expect(capabilities.maxPutSize).toBeGreaterThan(0)
      expect(capabilities.listing.pageSize).toBeGreaterThan(0)
      expect(capabilities.keys.maxBytes).toBeGreaterThanOrEqual(800)
      if (capabilities.multipart === false) return
      expect(capabilities.multipart.minPartSize).toBeGreaterThan(0)
      expect(capabilities.multipart.maxPartSize).toBeGreaterThan(capabilities.multipart.minPartSize)
      expect(capabilities.multipart.maxParts).toBeGreaterThan(0)
    },
  },
]
