import { type Catalog, openCatalog } from '@stowage/catalog'
import { type ErrorCode, StowageError } from '@stowage/core'
import { testSecret } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../app/create.ts'
import { type HttpAppOptions, httpApp, type Problem } from './index.ts'

const here = { address: '127.0.0.1' }

/** An app on a catalog in memory, of which the test may have reads fail or hang. */
async function world(options: HttpAppOptions = {}) {
  const catalog = await openCatalog({ type: 'memory' })
  let read: (() => Promise<never>) | undefined
  const sync: Catalog['sync'] = Object.assign(Object.create(catalog.sync) as Catalog['sync'], {
    get: (key: string) => read?.() ?? catalog.sync.get(key),
  })
  const shaky = Object.assign(Object.create(catalog) as typeof catalog, { sync })
  const secret = testSecret('http')
  const source = { id: 'lan', type: 'minio' as const, endpoint: 'http://127.0.0.1:9', bucket: 'b' }
  const stowage = await createStowage(
    { sources: [{ ...source, accessKey: 'key', secretKey: secret }] },
    { background: false, catalog: shaky },
  )
  const told: StowageError[] = []
  const app = await httpApp(stowage, { onError: (error) => told.push(error), ...options })
  onTestFinished(async () => {
    await app.close()
    await stowage.close()
    await catalog.close()
  })
  const reads = (how: (() => Promise<never>) | undefined) => {
    read = how
  }
  const get = (path: string, init: RequestInit = {}, peer = here) =>
    app.fetch(new Request(`http://127.0.0.1:7869${path}`, { headers: { host: '127.0.0.1:7869' }, ...init }), peer)
  return { app, stowage, get, reads, told, secret }
}

async function problem(answer: Response, status: number, code: ErrorCode): Promise<Problem & Record<string, unknown>> {
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const document = (await answer.json()) as Problem & Record<string, unknown>
  expect(document).toMatchObject({ type: 'about:blank', status, code })
  return document
}

it('answers that the process is there, and that it is ready', async () => {
  const { get } = await world()
  const health = await get('/healthz')
  expect(health.status).toBe(200)
  expect(await health.json()).toEqual({ status: 'ok' })
  expect(health.headers.get('x-content-type-options')).toBe('nosniff')
  const ready = await get('/readyz')
  expect(ready.status).toBe(200)
  expect(await ready.json()).toEqual({ status: 'ready', parts: [{ part: 'catalog', ready: true }] })
  const head = await get('/readyz', { method: 'HEAD' })
  expect(head.status).toBe(200)
  expect(await head.text()).toBe('')
})

it('is not ready while the catalog fails, names it, keeps why to itself, and tells that once', async () => {
  const { get, reads, told, secret } = await world()
  const down = () => Promise.reject(new StowageError('unavailable', `db.internal refused password ${secret}`))
  for (let outage = 1; outage <= 2; outage++) {
    reads(down)
    for (let i = 0; i < 3; i++) {
      const { detail, parts, ...others } = await problem(await get('/readyz'), 503, 'unavailable')
      expect(detail).toBe('The catalog does not answer.')
      expect(parts).toEqual([{ part: 'catalog', ready: false, code: 'unavailable' }])
      expect(JSON.stringify(others)).not.toContain('db.internal')
    }
    expect((await get('/healthz')).status).toBe(200)
    expect(told).toHaveLength(outage)
    reads(undefined)
    expect((await get('/readyz')).status).toBe(200)
  }
  expect(told[0]?.message).toContain('db.internal')
  expect(told[0]?.message).not.toContain(secret)
})

it('is not ready when the catalog does not answer in time', async () => {
  const { get, reads } = await world({ readyMs: 20 })
  reads(() => new Promise(() => undefined))
  const { parts } = await problem(await get('/readyz'), 503, 'unavailable')
  expect(parts).toEqual([{ part: 'catalog', ready: false, code: 'timeout' }])
  expect((await get('/healthz')).status).toBe(200)
})

it('is not ready any more once it stops', async () => {
  const stop = new AbortController()
  const { get } = await world({ signal: stop.signal })
  stop.abort()
  await problem(await get('/readyz'), 503, 'aborted')
  expect((await get('/healthz')).status).toBe(200)
})

it('has problem documents for what there is not', async () => {
  const { get } = await world()
  for (const path of ['/', '/nothing', '/healthz/x', '/api/v1/datasets', '/QUEUES/', '/%2e%2e/etc', '/queuesx']) {
    await problem(await get(path), 404, 'not-found')
  }
  const posted = await get('/healthz', { method: 'POST', body: 'x' })
  expect(posted.headers.get('allow')).toBe('GET, HEAD')
  await problem(posted, 405, 'not-supported')
})

it('tells nobody but its own log what a bug said', async () => {
  const { app, stowage, told, secret } = await world()
  stowage.readiness = () => Promise.reject(new TypeError(`x is no function of ${secret}`))
  const answer = await app.fetch(new Request('http://127.0.0.1/readyz'))
  const { detail } = await problem(answer, 500, 'internal')
  expect(detail).not.toContain('function')
  expect(told.map(({ message }) => message).join()).toContain('x is no function')
  expect(told.map(({ message }) => message).join()).not.toContain(secret)
})

describe('the board of a queue', () => {
  it('is not there when the queue is not on BullMQ', async () => {
    const { get } = await world()
    for (const path of ['/queues', '/queues/', '/queues/api/queues']) {
      expect((await problem(await get(path), 404, 'not-found')).detail).toContain('BullMQ')
    }
  })

  it.for([
    { what: 'another machine', peer: { address: '10.1.2.3' } },
    { what: 'another machine by IPv6', peer: { address: 'fe80::1%eth0' } },
    { what: 'another machine as IPv6', peer: { address: '::ffff:10.1.2.3' } },
    { what: 'nobody knows whom', peer: {} },
    { what: 'a proxy', headers: { 'x-forwarded-for': '10.1.2.3' } },
    { what: 'a proxy that tells the protocol alone', headers: { 'X-Forwarded-Proto': 'https' } },
    { what: 'a standard proxy', headers: { forwarded: 'for=10.1.2.3' } },
    { what: 'a proxy with a name', headers: { via: '1.1 gateway' } },
    { what: 'a proxy of another kind', headers: { 'x-real-ip': '127.0.0.1' } },
    { what: 'a page whose name points here', headers: { host: 'evil.example:7869' } },
    { what: 'a name that looks like an address', headers: { host: '127.0.0.1.evil.example' } },
    { what: 'a name that begins like it', headers: { host: 'localhost.evil.example' } },
    { what: 'an address with more', headers: { host: '127.0.0.1:7869@evil.example' } },
    { what: 'no host', headers: { host: '' } },
  ])('is refused to $what', async ({ peer, headers }) => {
    const { app } = await world()
    for (const path of ['/queues', '/queues/', '/queues/api/queues']) {
      const own = { host: '127.0.0.1:7869', ...headers }
      const answer = await app.fetch(new Request(`http://127.0.0.1${path}`, { headers: own }), peer ?? here)
      const { detail, hint } = await problem(answer, 403, 'access-denied')
      expect(detail).toContain('The board of the queue is refused')
      expect(hint).toContain('ssh -L')
    }
  })

  it.for([
    ['127.0.0.1', 'localhost'],
    ['127.9.9.9', 'LOCALHOST:9000'],
    ['::1', '[::1]:7869'],
    ['::ffff:127.0.0.1', '127.0.0.1:1'],
  ] as const)('is not refused to %s, who asked for %s', async ([address, host]) => {
    const { app } = await world()
    const answer = await app.fetch(new Request('http://localhost/queues/', { headers: { host } }), { address })
    await problem(answer, 404, 'not-found')
  })
})
