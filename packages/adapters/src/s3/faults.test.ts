import { createHash } from 'node:crypto'
import type { UploadedPart } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { crc32Of, keysOf, patternBytes, streamOf, text } from '../testing/bytes.ts'
import {
  type Answer,
  drain,
  fail,
  listing,
  type Scripted,
  scripted as scriptedServer,
} from '../testing/scripted-server.ts'
import type { S3Options } from './index.ts'

const object = { etag: '"e"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }

async function read(scene: Scripted, range?: { start: number; length?: number }): Promise<Buffer> {
  const { body } = await scene.adapter.get('key', range === undefined ? {} : { range })
  return Buffer.concat(await body.toArray())
}

describe.each(['lean', 'sdk'] as const)('by the data path %s', (dataPath) => {
  const scripted = (answer: Answer, options: Partial<S3Options> = {}): Promise<Scripted> =>
    scriptedServer(answer, { ...options, dataPath })

  describe('reading from a store that fails', () => {
    it('fails with integrity when the connection breaks in the middle of a body', async () => {
      const scene = await scripted((_request, response) => {
        response.writeHead(200, { ...object, 'content-length': '100' })
        response.write('x'.repeat(50), () => response.destroy())
      })
      const error = await expectCode(read(scene), 'integrity')
      expect(error.message).toContain('50 of 100')
      expect(error.retryable).toBe(true)
    })

    it('fails with integrity when the bytes do not have the checksum that the store keeps', async () => {
      const bytes = patternBytes(1000)
      const { value } = crc32Of(bytes)
      const flipped = Buffer.from(bytes)
      flipped[500] = (flipped[500] ?? 0) ^ 1
      const bodies = [bytes, flipped, bytes.subarray(0, 900)]
      const scene = await scripted((_request, response, index) => {
        const body = bodies[index] as Uint8Array
        response.writeHead(200, { ...object, 'content-length': String(body.length), 'x-amz-checksum-crc32': value })
        response.end(body)
      })
      expect((await read(scene)).equals(bytes)).toBe(true)
      await expectCode(read(scene), 'integrity')
      await expectCode(read(scene), 'integrity')
    })

    it('fails with integrity when the store answers with another range', async () => {
      const ranges = ['bytes 0-9/100', 'bytes 10-18/100', 'bytes 10-29/100', undefined]
      const scene = await scripted((_request, response, index) => {
        const range = ranges[index]
        response.writeHead(range === undefined ? 200 : 206, {
          ...object,
          'content-length': '10',
          ...(range === undefined ? {} : { 'content-range': range }),
        })
        response.end('0123456789')
      })
      for (const _ of ranges) await expectCode(read(scene, { start: 10, length: 10 }), 'integrity')
    })

    it('fails with integrity when the store does not say how long the object is', async () => {
      const scene = await scripted((_request, response) => {
        response.writeHead(200, object)
        response.end('chunked')
      })
      await expectCode(read(scene), 'integrity')
    })

    it('fails with timeout when the store says nothing, or stops in the middle', async () => {
      let begins = false
      const scene = await scripted(
        (_request, response) => {
          if (!begins) return
          response.writeHead(200, { ...object, 'content-length': '100' })
          response.write('x')
        },
        { inactivityTimeoutMs: 500, attempts: 1 },
      )
      await expectCode(scene.adapter.head('key'), 'timeout')
      begins = true
      await expectCode(read(scene), 'timeout')
      begins = false
      await expectCode(scene.adapter.get('key'), 'timeout')
    })

    it('has no deadline for a reader that is slow itself', async () => {
      const bytes = patternBytes(2 * 1024 * 1024)
      const scene = await scripted(
        (_request, response) => {
          response.writeHead(200, { ...object, 'content-length': String(bytes.length) })
          response.end(bytes)
        },
        { inactivityTimeoutMs: 2000 },
      )
      const { body } = await scene.adapter.get('key')
      const chunks: Buffer[] = []
      for await (const chunk of body) {
        if (chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 2500))
        chunks.push(chunk as Buffer)
      }
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
    })

    it('gives the connection up when the reader does', async () => {
      const scene = await scripted((_request, response) => {
        response.writeHead(200, { ...object, 'content-length': '1000000000' })
        response.write('x')
      })
      const { body } = await scene.adapter.get('key')
      const [socket] = scene.sockets
      const closed = new Promise((resolve) => socket?.once('close', resolve))
      body.destroy()
      await closed
      expect(scene.sockets.size).toBe(0)
    })
  })

  describe('listing from a store that fails', () => {
    const pages = (answers: readonly string[]) =>
      scripted((_request, response, index) => {
        response.writeHead(200, { 'content-type': 'application/xml' })
        response.end(answers[Math.min(index, answers.length - 1)])
      })

    it('reads pages to the end, with the token the store gave', async () => {
      const scene = await pages([listing(['a', 'b%20c'], { token: 't1' }), listing(['d'])])
      expect(await keysOf(scene.adapter, {})).toEqual(['a', 'b c', 'd'])
      expect(scene.requests[0]).toContain('encoding-type=url')
      expect(scene.requests[1]).toContain('continuation-token=t1')
    })

    it.each([
      ['a page that repeats', [listing(['a', 'b'], { token: 't1' }), listing(['a', 'b'], { token: 't2' })]],
      ['a token that repeats', [listing(['a'], { token: 't' }), listing(['b'], { token: 't' })]],
      ['keys that do not rise', [listing(['a', 'c', 'b'])]],
      ['keys in the order of JavaScript, not of bytes', [listing(['%F0%9F%98%80', '%EF%BD%9E'])]],
      ['more to come without a place to go on', [listing(['a'], {})]],
      ['an answer that was cut short', [listing(['a', 'b', 'c']).slice(0, -150)]],
      ['fewer rows than announced', [listing(['a', 'b']).replace('<KeyCount>2', '<KeyCount>3')]],
      ['no word of whether more follows', [listing(['a']).replace(/<IsTruncated>.*<\/IsTruncated>/, '')]],
      ['something that is no listing', ['<html><body>Welcome to the proxy</body></html>']],
      ['nothing', ['']],
    ])('fails instead of ending early or looping: %s', async (_name, answers) => {
      const scene = await pages(answers)
      const error = await expectCode(keysOf(scene.adapter, {}), 'unavailable')
      expect(error.message).not.toContain('\n')
      expect(scene.requests.length).toBeLessThanOrEqual(3)
    })

    it('fails when a later page fails, after as many attempts as allowed', async () => {
      const scene = await scripted((_request, response, index) => {
        if (index > 0) return fail(response, 500, 'InternalError')
        response.end(listing(['a'], { token: 't' }))
      })
      await expectCode(keysOf(scene.adapter, {}), 'unavailable')
      expect(scene.requests.length).toBe(4)
      expect(scene.waits).toEqual([100, 200])
    })
  })

  describe('a store that wants patience', () => {
    it('is asked again after the time it names', async () => {
      const scene = await scripted((_request, response, index) => {
        if (index === 0) return fail(response, 503, 'SlowDown', { 'retry-after': '7' })
        response.writeHead(200, { ...object, 'content-length': '5' })
        response.end()
      })
      expect((await scene.adapter.head('key')).size).toBe(5)
      expect(scene.waits).toEqual([7000])
    })

    it('that names too long a time is left to the caller, who is told the time', async () => {
      const scene = await scripted((_request, response) =>
        fail(response, 429, 'TooManyRequests', { 'retry-after': '3600' }),
      )
      const error = await expectCode(keysOf(scene.adapter, {}), 'throttled')
      expect(error.retryAfterMs).toBe(3_600_000)
      expect(scene.requests.length).toBe(1)
    })
  })

  describe('writing to a store that fails', () => {
    const resets = (times: number) =>
      scripted(async (request, response, index) => {
        await drain(request)
        if (index < times) return void request.socket.destroy()
        response.writeHead(200, { etag: '"e"' })
        response.end()
      })

    it('sends bytes again when the answer was lost', async () => {
      const scene = await resets(2)
      expect(await scene.adapter.put('key', text('x'))).toEqual({ etag: 'e' })
      expect(scene.requests.length).toBe(3)
    })

    it('does not send a conditional write again when its answer was lost: it may have worked', async () => {
      for (const condition of [{ ifNoneMatch: '*' as const }, { ifMatch: 'e' }]) {
        const scene = await resets(1)
        await expectCode(scene.adapter.put('key', text('x'), condition), 'unavailable')
        expect(scene.requests.length).toBe(1)
      }
    })

    it('sends a conditional write again when the store says that it did nothing', async () => {
      const scene = await scripted(async (request, response, index) => {
        await drain(request)
        if (index === 0) return fail(response, 503, 'SlowDown')
        response.writeHead(200, { etag: '"e"' })
        response.end()
      })
      await scene.adapter.put('key', text('x'), { ifNoneMatch: '*' })
      expect(scene.requests.length).toBe(2)
    })

    it('does not send a stream again: it can be read once', async () => {
      const scene = await resets(1)
      const bytes = patternBytes(9 * 1024 * 1024)
      await expectCode(scene.adapter.put('key', streamOf(bytes), { size: bytes.length }), 'unavailable')
      expect(scene.requests.length).toBe(1)
    })

    it('ends when the store answers before it has all bytes', async () => {
      const scene = await scripted((_request, response) =>
        fail(response, 412, 'PreconditionFailed', { connection: 'close' }),
      )
      const bytes = patternBytes(20 * 1024 * 1024)
      const put = scene.adapter.put('key', streamOf(bytes), { size: bytes.length, ifNoneMatch: '*' })
      // A store that closes the connection may do so before its answer was read.
      await expectCode(put, 'precondition-failed', 'unavailable')
    })

    it('takes no yes for bytes that the store does not have yet', async () => {
      const scene = await scripted(
        (request, response) => {
          request.pause()
          response.writeHead(200, { etag: '"e"' })
          response.end()
        },
        { attempts: 1 },
      )
      const bytes = patternBytes(30 * 1024 * 1024)
      await expectCode(scene.adapter.put('key', bytes), 'unavailable')
      await expectCode(scene.adapter.put('key', streamOf(bytes), { size: bytes.length }), 'unavailable')
      await expectCode(scene.adapter.multipart.uploadPart('key', 'u', 1, bytes, { size: bytes.length }), 'unavailable')
    })

    it('tells of the bytes of a part that lie in memory while they go out', async () => {
      const scene = await scripted((request, response) => {
        request.resume().on('end', () => response.writeHead(200, { etag: '"e"' }).end())
      })
      const bytes = patternBytes(3 * 1024 * 1024)
      let sent = 0
      let calls = 0
      const onSent = (count: number): void => {
        sent += count
        calls++
      }
      await scene.adapter.multipart.uploadPart('key', 'u', 1, bytes, { size: bytes.length, onSent })
      expect(sent).toBeGreaterThan(bytes.length / 2)
      expect(sent).toBeLessThanOrEqual(bytes.length)
      expect(calls).toBeGreaterThan(3)
    })

    it('fails with timeout when the store takes no more bytes', async () => {
      const scene = await scripted((request) => void request.pause(), { inactivityTimeoutMs: 60, attempts: 1 })
      const bytes = patternBytes(30 * 1024 * 1024)
      await expectCode(scene.adapter.put('key', bytes), 'timeout')
      await expectCode(scene.adapter.put('key', streamOf(bytes), { size: bytes.length }), 'timeout')
    })

    it('tells the keys of a batch that failed, and those the answer does not name', async () => {
      const scene = await scripted(async (request, response) => {
        await drain(request)
        response.end(
          '<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>',
        )
      })
      const { deleted, failed } = await scene.adapter.deleteMany(['a', 'b', 'c'])
      expect(deleted).toEqual(['a'])
      expect(failed.map(({ key, error }) => [key, error.code])).toEqual([
        ['b', 'access-denied'],
        ['c', 'unavailable'],
      ])
    })
  })

  describe('completing an upload whose answer is lost', () => {
    const md5s = ['a', 'b'].map((char) => createHash('md5').update(char).digest())
    const parts: UploadedPart[] = md5s.map((md5, i) => ({
      partNumber: i + 1,
      etag: md5.toString('hex'),
      size: 5 * 1024 * 1024,
    }))
    const etag = `${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-2`

    const scene = (headStatus: number, uploadGone: boolean) =>
      scripted(async (request, response) => {
        await drain(request)
        if (request.method === 'POST') return void request.socket.destroy()
        if (request.method === 'HEAD') {
          expect(request.headers['if-match']).toBe(`"${etag}"`)
          response.writeHead(headStatus, { etag: `"${etag}"`, 'content-length': '10' })
          return void response.end()
        }
        if (uploadGone) return fail(response, 404, 'NoSuchUpload')
        response.end('<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>')
      })

    it('is recognised as done by the object and the upload that is gone', async () => {
      const { adapter } = await scene(200, true)
      expect(await adapter.multipart.complete('key', 'upload', parts)).toEqual({ etag })
    })

    it('is not taken for done while the upload is there, or the object is another', async () => {
      await expectCode((await scene(200, false)).adapter.multipart.complete('key', 'upload', parts), 'unavailable')
      await expectCode((await scene(412, true)).adapter.multipart.complete('key', 'upload', parts), 'unavailable')
    })

    it('fails when the store sends its error under the status 200', async () => {
      const { adapter } = await scripted(async (request, response) => {
        await drain(request)
        response.writeHead(200, { 'content-type': 'application/xml' })
        response.end('<?xml version="1.0"?><Error><Code>InternalError</Code><Message>sorry</Message></Error>')
      })
      await expectCode(adapter.multipart.complete('key', 'upload', parts), 'unavailable')
      await expectCode(adapter.copy('a', 'b'), 'unavailable')
    })
  })
})
