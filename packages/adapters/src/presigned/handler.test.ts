import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { hasCode } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { runs, tempDir, testKey } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filesystem } from '../filesystem/index.ts'
import { memory } from '../memory/index.ts'
import { presignHandler } from './index.ts'

const secret = testKey('presign').toString('hex')
const settings = { baseUrl: 'https://files.example.com/objects/', secret }

function setUp(options: { origins?: string[] } = {}) {
  const clock = new FakeClock()
  const adapter = memory({ id: 'scratch', clock, presign: settings })
  const serve = presignHandler([adapter], { ...settings, clock, ...options })
  const ask = (url: string, init?: RequestInit): Promise<Response> => serve(new Request(url, init))
  const read = async (key: string) => (await adapter.presign({ method: 'get', key, expiresIn: 60 })).url
  const write = async (key: string, more: { maxSize?: number; contentType?: string } = {}) =>
    (await adapter.presign({ method: 'put', key, expiresIn: 60, ...more })).url
  return { clock, adapter, serve, ask, read, write }
}

describe('secrets', () => {
  it.each([[''], ['short'], ['a'.repeat(64)], [[] as string[]], [[secret, 'x'] as string[]]])(
    'refuses weak secrets: %#',
    (weak) => {
      expect(() => memory({ id: 'm', presign: { ...settings, secret: weak } })).toThrow(
        expect.objectContaining({ code: 'configuration', field: 'presign.secret' }),
      )
      expect(() => presignHandler([], { ...settings, secret: weak })).toThrow()
    },
  )

  it('can be exchanged: the first signs, all are taken, and none that is gone', async () => {
    const { adapter, clock, read } = setUp()
    await adapter.put('k', Buffer.from('x'))
    const young = testKey('young').toString('hex')
    const both = presignHandler([adapter], { ...settings, secret: [young, secret], clock })
    expect((await both(new Request(await read('k')))).status).toBe(200)
    const only = presignHandler([adapter], { ...settings, secret: young, clock })
    expect((await only(new Request(await read('k')))).status).toBe(403)
  })
})

describe('reads', () => {
  it('serve ranges and conditions as RFC 9110 has them', async () => {
    const { adapter, ask, read } = setUp()
    const { etag } = await adapter.put('k', Buffer.from('0123456789'), { contentType: 'text/plain' })
    const url = await read('k')
    const cases: [Record<string, string>, number, string, string | null][] = [
      [{}, 200, '0123456789', null],
      [{ range: 'bytes=0-3' }, 206, '0123', 'bytes 0-3/10'],
      [{ range: 'bytes=7-' }, 206, '789', 'bytes 7-9/10'],
      [{ range: 'bytes=-2' }, 206, '89', 'bytes 8-9/10'],
      [{ range: 'bytes=5-100' }, 206, '56789', 'bytes 5-9/10'],
      [{ range: 'bytes=0-1,4-5' }, 200, '0123456789', null],
      [{ range: 'bytes=3-1' }, 200, '0123456789', null],
      [{ range: 'lines=1' }, 200, '0123456789', null],
      [{ range: 'bytes=0-1', 'if-range': '"other"' }, 200, '0123456789', null],
      [{ range: 'bytes=0-1', 'if-range': `"${etag}"` }, 206, '01', 'bytes 0-1/10'],
      [{ 'if-match': `"${etag}"` }, 200, '0123456789', null],
      [{ 'if-none-match': '"other"' }, 200, '0123456789', null],
    ]
    for (const [headers, status, text, range] of cases) {
      const answer = await ask(url, { headers })
      expect([headers, answer.status, await answer.text(), answer.headers.get('content-range')]).toEqual([
        headers,
        status,
        text,
        range,
      ])
      expect(answer.headers.get('etag')).toBe(`"${etag}"`)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    }
    expect((await ask(url, { headers: { range: 'bytes=10-' } })).status).toBe(416)
    expect((await ask(url, { headers: { 'if-match': '"other"' } })).status).toBe(412)
    expect((await ask(url, { headers: { 'if-none-match': `W/"x", "${etag}"` } })).status).toBe(304)
    const head = await ask(url, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', ''])
    expect((await ask(await read('missing'))).status).toBe(404)
    await adapter.put('empty', Buffer.alloc(0))
    expect((await ask(await read('empty'))).status).toBe(200)
  })
})

describe('writes', () => {
  it('create only, and only what is within the size', async () => {
    const { adapter, ask, write } = setUp()
    const url = await write('k', { maxSize: 5 })
    const put = (body: RequestInit['body'], headers: Record<string, string> = {}) =>
      ask(url, { method: 'PUT', body: body ?? null, headers, duplex: 'half' } as RequestInit)
    expect((await put('123456', { 'content-length': '6' })).status).toBe(413)
    const long = new ReadableStream({
      start: (controller) => {
        for (let i = 0; i < 10; i++) controller.enqueue(Buffer.from('123'))
        controller.close()
      },
    })
    expect((await put(long)).status).toBe(413)
    await expectCode(adapter.head('k'), 'not-found')
    const sum = (text: string) => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(crc32(text))
      return bytes.toString('base64')
    }
    expect((await put('12345', { 'x-amz-checksum-crc32': sum('12346') })).status).toBe(400)
    await expectCode(adapter.head('k'), 'not-found')
    const done = await put('12345', { 'x-amz-checksum-crc32': sum('12345'), 'content-type': 'text/x' })
    expect([done.status, done.headers.get('etag')]).toEqual([200, `"${(await adapter.head('k')).etag}"`])
    expect((await put('other')).status).toBe(412)
    const digest = createHash('sha256').update('other').digest('base64')
    expect(
      (await ask(await write('k2'), { method: 'PUT', body: 'other', headers: { 'x-amz-checksum-sha256': digest } }))
        .status,
    ).toBe(200)
  })

  it('leave nothing of a body that breaks off', async () => {
    const root = tempDir('disk')
    const disk = filesystem({ id: 'disk', root, presign: settings })
    const serve = presignHandler([disk], settings)
    const { url } = await disk.presign({ method: 'put', key: 'a/k', expiresIn: 60 })
    const broken = new ReadableStream({
      pull: (controller) => {
        controller.enqueue(Buffer.alloc(700_000))
        controller.error(new Error('the client went away'))
      },
    })
    const answer = await serve(new Request(url, { method: 'PUT', body: broken, duplex: 'half' } as RequestInit))
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain(root)
    await expectCode(disk.head('a/k'), 'not-found')
    expect(readdirSync(join(root, '.stowage-fs', 'tmp'))).toEqual([])
    await disk.close()
  })
})

describe('a URL', () => {
  it('ends with its time', async () => {
    const { adapter, clock, ask, read } = setUp()
    await adapter.put('k', Buffer.from('x'))
    const url = await read('k')
    await clock.advance(59_000)
    expect((await ask(url)).status).toBe(200)
    await clock.advance(2_000)
    const answer = await ask(url)
    expect([answer.status, await answer.json()]).toEqual([
      403,
      { code: 'access-denied', message: 'The URL has expired.' },
    ])
  })

  it('does what it says and nothing else, however it is changed', async () => {
    const { adapter, ask, read, write } = setUp()
    for (const key of ['k', 'other', 'k/../other', 'a/b'])
      if (!key.includes('..')) await adapter.put(key, Buffer.from(`secret of ${key}`))
    const url = await read('k')
    const changed = [
      url.replace('/k?', '/other?'),
      url.replace('/k?', '/k%2F..%2Fother?'),
      url.replace('/k?', '/k/../other?'),
      url.replace('/k?', '/%6B?'),
      url.replace('/k?', '/k/?'),
      url.replace('/k?', '//k?'),
      url.replace('/k?', '/k%00?'),
      url.replace('/k?', '/k\\?'),
      url.replace('/scratch/', '/disk/'),
      url.replace('/objects/', '/other/'),
      url.replace('Method=get', 'Method=put'),
      `${url}&Method=put`,
      `${url}&Create-Only=true`,
      `${url}&x=1`,
      url.replace(/Expires=\d+/, 'Expires=9999999999'),
      url.replace(/Signature=\w+/, ''),
      url.replace(/Signature=(\w+)/, (_, hex: string) => `Signature=${hex.toUpperCase()}`),
      url.replace(/Signature=(\w+)/, (_, hex: string) => `Signature=${hex.slice(2)}`),
    ]
    for (const one of changed) expect([one, (await ask(one)).status]).toEqual([one, 403])
    for (const method of ['PUT', 'POST', 'DELETE', 'PATCH']) expect((await ask(url, { method })).status).toBe(403)
    expect((await ask(await write('new'))).status).toBe(403)
    const header = { 'x-amz-copy-source': 'scratch/other', 'x-oss-copy-source': '/scratch/other' }
    await ask(await write('new'), { method: 'PUT', body: 'mine', headers: header })
    expect((await adapter.head('new')).size).toBe(4)
  })

  it('never reaches another key, for any key and any change of its path', async () => {
    const { adapter, ask } = setUp()
    const alphabet = fc.constantFrom(
      'a',
      'b',
      '/',
      '.',
      '..',
      '%',
      '%2f',
      '%2e',
      '\\',
      '\u0000',
      ' ',
      '+',
      '?',
      '#',
      '猫',
      '&',
    )
    const key = fc.array(alphabet, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(key, key, async (own, other) => {
        let url: string
        try {
          await adapter.put(own, Buffer.from(own))
          await adapter.put(other, Buffer.from(other))
          url = (await adapter.presign({ method: 'get', key: own, expiresIn: 60 })).url
        } catch (error) {
          // Such as NUL, or what a URL cannot say.
          expect(hasCode(error, 'invalid-key')).toBe(true)
          return
        }
        expect(await (await ask(url)).text()).toBe(own)
        const path = other.split('/').map(encodeURIComponent).join('/')
        for (const text of [path, other, encodeURIComponent(other), path.toLowerCase()]) {
          const forged = url.replace(/\/scratch\/[^?]*\?/, () => `/scratch/${text}?`)
          if (!URL.canParse(forged) || new URL(forged).href === new URL(url).href) continue
          const answer = await ask(forged)
          if (answer.status === 200) expect(await answer.text()).toBe(own)
          else expect(answer.status).toBe(403)
        }
      }),
      { numRuns: runs(100, 3000) },
    )
  })
})

describe('pages of other origins', () => {
  it('may use the URLs where they are named', async () => {
    const { adapter, ask, read } = setUp({ origins: ['https://app.example.com'] })
    await adapter.put('k', Buffer.from('x'))
    const url = await read('k')
    const from = (origin: string, method = 'GET') => ask(url, { method, headers: { origin } })
    const allowed = await from('https://app.example.com')
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
    expect(allowed.headers.get('access-control-expose-headers')).toContain('etag')
    expect((await from('https://evil.example.com')).headers.get('access-control-allow-origin')).toBeNull()
    const preflight = await from('https://app.example.com', 'OPTIONS')
    expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([204, 'GET, HEAD, PUT'])
  })
})
