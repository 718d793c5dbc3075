import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callOf } from './store-call.ts'
import { startStoreProxy } from './store-proxy.ts'

let server: Server
let target: string
const bodies: string[] = []

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    bodies.push(`${request.method} ${body}`)
    response.writeHead(200, { 'content-length': '10' })
    response.end('0123456789')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  target = `http://127.0.0.1:${(server.address() as { port: number }).port}`
})
afterAll(() => void server.close())

describe('callOf', () => {
  it.each([
    ['GET', '/b?list-type=2&prefix=x', 'list', ''],
    ['GET', '/b?uploads&prefix=x', 'list-uploads', ''],
    ['GET', '/b/k%20k/z', 'get', 'k k/z'],
    ['GET', '/b/k?uploadId=1', 'list-parts', 'k'],
    ['HEAD', '/b/k', 'head', 'k'],
    ['PUT', '/b/k', 'put', 'k'],
    ['PUT', '/b/k?partNumber=1&uploadId=1', 'part', 'k'],
    ['POST', '/b/k?uploads', 'create', 'k'],
    ['POST', '/b/k?uploadId=1', 'complete', 'k'],
    ['DELETE', '/b/k?uploadId=1', 'abort', 'k'],
    ['DELETE', '/b/k', 'delete', 'k'],
    ['POST', '/b?delete', 'delete-many', ''],
    ['GET', '/', 'other', ''],
  ])('%s %s is %s', (method, path, call, key) => {
    expect(callOf(method, path)).toMatchObject({ call, key })
  })
})

describe('startStoreProxy', () => {
  it('notes calls and their bytes, and meddles with those that its rule picks', async () => {
    await using proxy = await startStoreProxy({ target })
    const send = (key: string, body?: string) =>
      fetch(`${proxy.endpoint}/b/${key}`, body === undefined ? {} : { method: 'PUT', body })
        .then(async (answer) => `${answer.status} ${await answer.text()}`)
        .catch(() => 'broken')
    proxy.rule = ({ call, key }) => {
      if (key === 'said') return { answer: { status: 503, headers: {}, body: Buffer.from('busy') } }
      if (key === 'up') return { changeUp: (body) => Buffer.from(body.toString().toUpperCase()) }
      if (key === 'down') return { changeDown: (answer) => ({ ...answer, headers: {}, body: Buffer.from('other') }) }
      if (key === 'lost') return { loseAnswer: true }
      if (key === 'reset') return { resetUp: 1 }
      return call === 'get' ? { cutDown: key === 'long' ? 20 : 4 } : undefined
    }
    const before = bodies.length
    expect(await send('plain', 'text')).toBe('200 0123456789')
    expect(await send('said', 'text')).toBe('503 busy')
    expect(await send('up', 'text')).toBe('200 0123456789')
    expect(await send('down', 'text')).toBe('200 other')
    expect(await send('lost', 'text')).toBe('broken')
    expect(await send('reset', 'text')).toBe('broken')
    expect(await send('short')).toBe('broken')
    expect(await send('long')).toBe('200 0123456789')
    expect(await send('long')).toBe('200 0123456789')
    expect(bodies.slice(before)).toEqual(['PUT text', 'PUT TEXT', 'PUT text', 'PUT text', 'GET ', 'GET ', 'GET '])
    expect(proxy.calls.map(({ key, received, answered, status }) => [key, received, answered, status])).toEqual([
      ['plain', 4, 10, 200],
      ['said', 4, 4, 503],
      ['up', 4, 10, 200],
      ['down', 4, 5, 200],
      ['lost', 4, 0, undefined],
      ['reset', 4, 0, undefined],
      ['short', 0, 4, 200],
      ['long', 0, 10, 200],
      ['long', 0, 10, 200],
    ])
    expect([proxy.count('put'), proxy.bytesUp()]).toEqual([6, 24])
    proxy.reset()
    proxy.gone(true)
    expect(await send('plain', 'text')).toBe('broken')
    proxy.gone(false)
    expect(await send('plain', 'text')).toBe('200 0123456789')
    expect(proxy.calls).toHaveLength(1)
  })
})
