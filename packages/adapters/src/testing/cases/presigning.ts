import { systemClock } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, readBytes, text } from '../bytes.ts'
import type { Case } from '../case.ts'

const hour = 3_600_000

export const presigningCases: Case[] = [
  {
    name: 'presigns a read that anybody can make',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}a b+ü%.txt`
      const request = adapter.presign({ method: 'get', key, expiresIn: 60, downloadName: 'Grüße "1".txt' })
      if (!capabilities.presign.includes('get')) {
        await expectCode(request, 'not-supported')
        return
      }
      await adapter.put(key, text('hello'))
      const { url, method, headers, expiresAt } = await request
      expect(Math.abs(expiresAt - Date.now() - 60_000)).toBeLessThan(30_000)
      const answer = await fetch(url, { method, headers })
      expect(answer.status).toBe(200)
      expect(await answer.text()).toBe('hello')
      expect(answer.headers.get('content-disposition')).toContain("filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.txt")
      const part = await fetch(url, { headers: { range: 'bytes=1-2' } })
      expect(await part.text()).toBe('el')
    },
  },
  {
    name: 'presigns a write, with its content type',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}uploaded`
      const request = adapter.presign({ method: 'put', key, expiresIn: 60, contentType: 'text/x-signed' })
      if (!capabilities.presign.includes('put')) {
        await expectCode(request, 'not-supported')
        return
      }
      const { url, method, headers } = await request
      const wrong = await fetch(url, { method, headers: { 'content-type': 'text/html' }, body: 'hello' })
      expect([400, 403]).toContain(wrong.status)
      const answer = await fetch(url, { method, headers, body: 'hello' })
      expect(answer.status).toBe(200)
      expect((await adapter.head(key)).contentType).toBe('text/x-signed')
      expect((await readBytes(adapter, key)).toString()).toBe('hello')
    },
  },
  {
    name: 'presigns a write that creates only, and is nothing without the headers it was signed with',
    run: async ({ adapter, capabilities, folder }) => {
      if (!capabilities.presign.includes('put')) return
      const key = `${folder}created`
      const { url, method, headers } = await adapter.presign({ method: 'put', key, expiresIn: 60 })
      if (capabilities.conditional.putCreateOnly && Object.keys(headers).length > 0) {
        expect([400, 403]).toContain((await fetch(url, { method, body: 'unsigned' })).status)
      }
      expect((await fetch(url, { method, headers, body: 'first' })).status).toBe(200)
      const again = await fetch(url, { method, headers, body: 'second' })
      if (capabilities.conditional.putCreateOnly) expect([409, 412]).toContain(again.status)
      expect((await readBytes(adapter, key)).toString()).toBe(
        capabilities.conditional.putCreateOnly ? 'first' : 'second',
      )
    },
  },
  {
    name: 'lets who holds a presigned write do with it what it says, and read no other object',
    run: async ({ adapter, capabilities, folder, under }) => {
      expect(capabilities.presignedWrites === 'none').toBe(!capabilities.presign.includes('put'))
      if (capabilities.presignedWrites === 'none') return
      const victim = `${folder}victim`
      // Large enough for a part that is copied.
      const secret = Buffer.alloc(6_000_000, 'secret ')
      await adapter.put(victim, secret)
      const sources = under.copySources?.(victim) ?? [{ 'x-amz-copy-source': `any/${victim}` }]
      let stolen = 0
      for (const [i, source] of sources.entries()) {
        for (const inQuery of [false, true]) {
          const added = inQuery
            ? Object.entries(source).map(([name, value]) => `&${name}=${encodeURIComponent(value)}`)
            : []
          const more = inQuery ? {} : source
          const put = await adapter.presign({ method: 'put', key: `${folder}put-${i}-${inQuery}`, expiresIn: 60 })
          await fetch(put.url + added.join(''), { method: 'PUT', headers: { ...put.headers, ...more } })
          const key = `${folder}part-${i}-${inQuery}`
          const { uploadId } = await adapter.multipart.create(key)
          const part = await adapter.presign({ method: 'part', key, uploadId, partNumber: 1, expiresIn: 60 })
          await fetch(part.url + added.join(''), { method: 'PUT', headers: { ...part.headers, ...more } })
          const parts = await adapter.multipart.listParts(key, uploadId)
          if (parts.length > 0) await adapter.multipart.complete(key, uploadId, parts)
          else await adapter.multipart.abort(key, uploadId)
          for (const target of [`${folder}put-${i}-${inQuery}`, key]) {
            if ((await exists(adapter, target)) && (await readBytes(adapter, target)).equals(secret)) stolen++
          }
        }
      }
      if (capabilities.presignedWrites !== 'open') expect(stolen).toBe(0)
      // Where the suite was not told how the store names a source, it cannot show that it is followed.
      else if (under.copySources !== undefined) expect(stolen).toBeGreaterThan(0)
    },
  },
  {
    name: 'presigns a part of an upload',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}parts`
      const { uploadId } = await adapter.multipart.create(key)
      const request = adapter.presign({ method: 'part', key, uploadId, partNumber: 1, expiresIn: 60 })
      if (capabilities.presign.includes('part')) {
        const { url, method, headers } = await request
        expect((await fetch(url, { method, headers, body: 'hello' })).status).toBe(200)
        await adapter.multipart.complete(key, uploadId, await adapter.multipart.listParts(key, uploadId))
        expect((await readBytes(adapter, key)).toString()).toBe('hello')
      } else {
        await expectCode(request, 'not-supported')
        await adapter.multipart.abort(key, uploadId)
      }
    },
  },
  {
    name: 'presigns nothing that lasts after its time, and nothing for another key',
    run: async ({ adapter, capabilities, folder, under }) => {
      if (!capabilities.presign.includes('get')) return
      await adapter.put(`${folder}a`, text('a'))
      await adapter.put(`${folder}b`, text('b'))
      const { url } = await adapter.presign({ method: 'get', key: `${folder}a`, expiresIn: 60 })
      expect((await fetch(url)).status).toBe(200)
      const other = await fetch(url.replace(`${folder}a?`, `${folder}b?`))
      expect(other.status).toBe(403)
      const forged = url.replace(
        /([?&](?:X-Amz-|x-oss-)?Signature=)(.)/i,
        (_, name, first) => name + (first === '0' ? '1' : '0'),
      )
      expect(forged).not.toBe(url)
      const garbled = await fetch(forged)
      expect(garbled.status).toBe(403)
      expect((await fetch(url, { method: 'DELETE' })).status).toBe(403)
      const past = under.createWithClock?.({ ...systemClock, now: () => Date.now() - hour })
      if (past === undefined) return
      const expired = await past.presign({ method: 'get', key: `${folder}a`, expiresIn: 60 })
      expect(expired.expiresAt).toBeLessThan(Date.now())
      expect((await fetch(expired.url)).status).toBe(403)
      expect(await exists(adapter, `${folder}a`)).toBe(true)
      await past.close()
    },
  },
  {
    name: 'refuses to presign for no time, too long, or a part of nothing',
    run: async ({ adapter, capabilities, folder }) => {
      for (const method of capabilities.presign) {
        const key = `${folder}x`
        const part = method === 'part' ? { uploadId: 'u', partNumber: 1 } : {}
        for (const expiresIn of [0, -1, 1.5, 604_801]) {
          await expectCode(adapter.presign({ method, key, expiresIn, ...part }), 'invalid-request')
        }
        if (method === 'part') await expectCode(adapter.presign({ method, key, expiresIn: 60 }), 'invalid-request')
      }
    },
  },
]
