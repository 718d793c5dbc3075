import type { IncomingHttpHeaders } from 'node:http'
import { expectCode } from '@stowage/core/testing'
import { testSecret } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { keysOf, readBytes, streamOf, text } from '../../testing/bytes.ts'
import { drain, fail, listing, scripted } from '../../testing/scripted-server.ts'

const object = { etag: '"e"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }
const hour = 3_600_000

describe('the lean path', () => {
  it('keeps its connections, also after HEAD and after errors', async () => {
    const ports = new Set<number | undefined>()
    const scene = await scripted(async (request, response, index) => {
      ports.add(request.socket.remotePort)
      await drain(request)
      if (index === 3) return fail(response, 404, 'NoSuchKey')
      if (request.url?.includes('list-type')) return void response.end(listing(['a']))
      response.writeHead(200, { ...object, 'content-length': request.method === 'PUT' ? 0 : 1 })
      response.end(request.method === 'GET' ? 'x' : undefined)
    })
    const { adapter } = scene
    await adapter.head('key')
    await adapter.put('key', text('x'))
    expect((await readBytes(adapter, 'key')).toString()).toBe('x')
    await expectCode(adapter.get('other'), 'not-found')
    for await (const page of adapter.list()) expect(page.objects.length).toBe(1)
    await adapter.head('key')
    expect(ports.size).toBe(1)
    await adapter.close()
    await expect.poll(() => scene.sockets.size).toBe(0)
  })

  it('opens no more connections than it may, and none for what was given up', async () => {
    const held: (() => void)[] = []
    const scene = await scripted(
      (_request, response) =>
        void held.push(() => {
          response.writeHead(200, { ...object, 'content-length': 1 }).end()
        }),
      { maxSockets: 2 },
    )
    const control = new AbortController()
    const calls = Array.from({ length: 6 }, (_, i) =>
      scene.adapter.head(`key-${i}`, i === 5 ? { signal: control.signal } : {}),
    )
    await expect.poll(() => held.length).toBe(2)
    const given = expectCode(calls[5] as Promise<unknown>, 'aborted')
    control.abort()
    await given
    expect(scene.sockets.size).toBe(2)
    for (let answered = 0; answered < 5; answered++) {
      await expect.poll(() => held.length).toBeGreaterThan(answered)
      held[answered]?.()
    }
    await Promise.all(calls.slice(0, 5))
    expect(scene.requests.some((request) => request.includes('key-5'))).toBe(false)
    expect(scene.sockets.size).toBe(2)
  })

  it('follows the clock of a store that refuses ours, once', async () => {
    const seen: IncomingHttpHeaders[] = []
    const theirs = new Date(Date.now() + 10 * hour)
    const scene = await scripted(async (request, response) => {
      await drain(request)
      seen.push(request.headers)
      const day = String(request.headers['x-amz-date'])
      const at = Date.parse(day.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'))
      response.setHeader('date', theirs.toUTCString())
      if (Math.abs(at - theirs.getTime()) > hour) {
        if (request.method === 'HEAD') return void response.writeHead(403).end()
        return fail(response, 403, 'RequestTimeTooSkewed')
      }
      response.writeHead(200, { ...object, 'content-length': 0 }).end()
    })
    await scene.adapter.put('key', text('x'), { ifNoneMatch: '*' })
    expect(seen.length).toBe(2)
    await scene.adapter.head('key')
    expect(seen.length).toBe(3)
    expect(scene.waits).toEqual([])
  })

  it('follows it with a body that goes in slices, too', async () => {
    const theirs = new Date(Date.now() + 10 * hour)
    const scene = await scripted(
      async (request, response, index) => {
        await drain(request)
        response.setHeader('date', theirs.toUTCString())
        if (index === 0) return fail(response, 403, 'RequestTimeTooSkewed')
        response.writeHead(200, { ...object, 'content-length': 0 }).end()
      },
      { attempts: 1 },
    )
    await scene.adapter.put('key', Buffer.alloc(1_000_000))
    expect(scene.requests.length).toBe(2)
  })

  it('does not ask again and again when the store goes on refusing', async () => {
    const scene = await scripted((_request, response) => {
      response.setHeader('date', new Date(Date.now() + 10 * hour).toUTCString())
      fail(response, 403, 'RequestTimeTooSkewed')
    })
    const error = await expectCode(scene.adapter.get('key'), 'access-denied')
    expect(error.hint).toContain('clock')
    expect(scene.requests.length).toBe(2)
  })

  it('sends the session token, signs what it means, and never shows either', async () => {
    const seen: IncomingHttpHeaders[] = []
    const scene = await scripted(
      async (request, response) => {
        await drain(request)
        seen.push(request.headers)
        fail(response, 403, 'AccessDenied')
      },
      { sessionToken: testSecret('the-token') },
    )
    const error = await expectCode(scene.adapter.put('key', text('x'), { metadata: { a: 'b' } }), 'access-denied')
    const [headers] = seen
    expect(headers?.['x-amz-security-token']).toBe(testSecret('the-token'))
    expect(headers?.['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD')
    expect(headers?.authorization).toContain(
      'SignedHeaders=content-type;host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token',
    )
    expect(`${error.message} ${String(error.cause)} ${JSON.stringify(error)}`).not.toMatch(/the-token|Signature/)
  })

  it('lets go of a source whose store answered early', async () => {
    const scene = await scripted((_request, response) => fail(response, 412, 'PreconditionFailed'))
    let returned = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield* streamOf(Buffer.alloc(64 * 1024 * 1024))
        await new Promise(() => {})
      } finally {
        returned = true
      }
    }
    const put = scene.adapter.put('key', endless(), { size: 200 * 1024 * 1024, ifNoneMatch: '*' })
    await expectCode(put, 'precondition-failed', 'unavailable')
    await expect.poll(() => returned).toBe(true)
    await expect.poll(() => scene.sockets.size).toBe(0)
  })

  it('tells of a body that breaks before anybody reads it', async () => {
    const scene = await scripted((_request, response) => {
      response.writeHead(200, { ...object, 'content-length': '100' })
      response.write('x'.repeat(50), () => setImmediate(() => response.destroy()))
    })
    const { body } = await scene.adapter.get('key')
    await expect.poll(() => scene.sockets.size).toBe(0)
    await expectCode(body.toArray(), 'integrity')
  })

  it('says what an answer was that it cannot understand', async () => {
    const scene = await scripted((_request, response) => void response.end('<ListBucketResult>'), { attempts: 1 })
    const error = await expectCode(keysOf(scene.adapter, {}), 'unavailable')
    expect(error.message).toContain('could not be understood')
  })
})
