import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, pagesOf, patternBytes, putAll, readBytes, text } from '../bytes.ts'
import type { Case } from '../case.ts'

const mebibyte = 1024 * 1024

/** A body that delivers a little and then nothing, until somebody gives up. `reached` settles when it stops delivering. */
function stalling(first: Uint8Array): { body: AsyncIterable<Uint8Array>; reached: Promise<void> } {
  const { promise: reached, resolve } = Promise.withResolvers<void>()
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < first.length; at += 64 * 1024) yield first.subarray(at, at + 64 * 1024)
    resolve()
    await new Promise(() => {})
  }
  return { body: chunks(), reached }
}

export const abortingCases: Case[] = [
  {
    name: 'does nothing when its signal has fired already',
    run: async ({ adapter, folder }) => {
      const key = `${folder}never`
      const signal = AbortSignal.abort()
      await adapter.put(`${folder}there`, text('x'))
      const { uploadId } = await adapter.multipart.create(key)
      await expectCode(adapter.put(key, text('x'), { signal }), 'aborted')
      await expectCode(adapter.head(`${folder}there`, { signal }), 'aborted')
      await expectCode(adapter.get(`${folder}there`, { signal }), 'aborted')
      await expectCode(adapter.delete(`${folder}there`, { signal }), 'aborted')
      await expectCode(adapter.copy(`${folder}there`, key, { signal }), 'aborted')
      await expectCode(pagesOf(adapter, { signal }), 'aborted')
      await expectCode(adapter.deleteMany([`${folder}there`], { signal }), 'aborted')
      await expectCode(adapter.multipart.create(key, { signal }), 'aborted')
      await expectCode(adapter.multipart.uploadPart(key, uploadId, 1, text('x'), { signal }), 'aborted')
      await expectCode(adapter.multipart.listParts(key, uploadId, { signal }), 'aborted')
      await expectCode(adapter.multipart.list(key, { signal }), 'aborted')
      await expectCode(adapter.multipart.complete(key, uploadId, [], { signal }), 'aborted')
      expect(await exists(adapter, key)).toBe(false)
      expect(await exists(adapter, `${folder}there`)).toBe(true)
      await adapter.multipart.abort(key, uploadId)
    },
  },
  {
    name: 'ends a read in the middle',
    run: async ({ adapter, folder }) => {
      const key = `${folder}read`
      await adapter.put(key, patternBytes(8 * mebibyte))
      const control = new AbortController()
      const { body } = await adapter.get(key, { signal: control.signal })
      const read = (async () => {
        for await (const _chunk of body) control.abort()
      })()
      await expectCode(read, 'aborted')
      expect(body.destroyed).toBe(true)
    },
  },
  {
    name: 'ends a write in the middle, and leaves no object',
    run: async ({ adapter, folder }) => {
      for (const [name, size] of [
        ['small', 1000],
        ['large', 10 * mebibyte],
      ] as const) {
        const key = `${folder}${name}`
        const control = new AbortController()
        const { body, reached } = stalling(patternBytes(size))
        const put = adapter.put(key, body, { size: size + 1000, signal: control.signal })
        const outcome = expectCode(put, 'aborted')
        await Promise.race([reached, outcome])
        control.abort()
        await outcome
        expect(await exists(adapter, key)).toBe(false)
      }
    },
  },
  {
    name: 'ends a part in the middle, and goes on with the upload',
    run: async ({ adapter, folder }) => {
      const key = `${folder}part`
      const { uploadId } = await adapter.multipart.create(key)
      const control = new AbortController()
      const { body, reached } = stalling(patternBytes(10 * mebibyte))
      const upload = adapter.multipart.uploadPart(key, uploadId, 1, body, {
        size: 11 * mebibyte,
        signal: control.signal,
      })
      const outcome = expectCode(upload, 'aborted')
      await Promise.race([reached, outcome])
      control.abort()
      await outcome
      expect(await adapter.multipart.listParts(key, uploadId)).toEqual([])
      const part = await adapter.multipart.uploadPart(key, uploadId, 1, text('again'))
      await adapter.multipart.complete(key, uploadId, [part])
      expect((await readBytes(adapter, key)).toString()).toBe('again')
    },
  },
  {
    name: 'ends a listing between pages',
    run: async ({ adapter, folder }) => {
      await putAll(
        adapter,
        Array.from({ length: 10 }, (_, i) => `${folder}${i}`),
      )
      const control = new AbortController()
      const seen: string[] = []
      const listing = (async () => {
        for await (const page of adapter.list({ prefix: folder, pageSize: 2, signal: control.signal })) {
          seen.push(...page.objects.map(({ key }) => key))
          control.abort()
        }
      })()
      await expectCode(listing, 'aborted')
      expect(seen.length).toBeLessThan(10)
    },
  },
  {
    name: 'leaves no listener on a signal that outlives the call',
    run: async ({ adapter, folder }) => {
      const control = new AbortController()
      let listeners = 0
      const add = control.signal.addEventListener.bind(control.signal)
      const remove = control.signal.removeEventListener.bind(control.signal)
      control.signal.addEventListener = (...args: Parameters<typeof add>) => {
        listeners++
        add(...args)
      }
      control.signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listeners--
        remove(...args)
      }
      const { signal } = control
      await adapter.put(`${folder}a`, text('x'), { signal })
      await adapter.head(`${folder}a`, { signal })
      const { body } = await adapter.get(`${folder}a`, { signal })
      await body.toArray()
      await new Promise((resolve) => (body.closed ? resolve(undefined) : body.once('close', resolve)))
      await pagesOf(adapter, { prefix: folder, signal })
      await adapter.delete(`${folder}a`, { signal })
      expect(listeners).toBeLessThanOrEqual(0)
    },
  },
]
