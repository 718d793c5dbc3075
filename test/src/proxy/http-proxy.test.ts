import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer, get } from 'node:https'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createCertificate } from '../servers/certificate.ts'
import { startHttpProxy } from './http-proxy.ts'

let server: Server
let target: string
const hosts: (string | undefined)[] = []

beforeAll(async () => {
  server = createServer(async (request, response) => {
    hosts.push(request.headers.host)
    const body = Buffer.concat(await request.toArray())
    response.writeHead(201, { 'x-method': String(request.method) })
    response.end(`${request.url} ${body}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  target = `http://127.0.0.1:${(server.address() as { port: number }).port}`
})
afterAll(() => void server.close())

describe('startHttpProxy', () => {
  it('carries requests and answers, with the host that was asked', async () => {
    await using proxy = await startHttpProxy({ target })
    const answer = await fetch(`http://127.0.0.1:${proxy.port}/a?b=c`, { method: 'PUT', body: 'bytes' })
    expect([answer.status, answer.headers.get('x-method'), await answer.text()]).toEqual([201, 'PUT', '/a?b=c bytes'])
    expect(hosts.at(-1)).toBe(`127.0.0.1:${proxy.port}`)
    expect(proxy.requests).toBe(1)
  })

  it('answers in place of the server, as often as told, and changes answers', async () => {
    await using proxy = await startHttpProxy({ target })
    const before = hosts.length
    proxy.answerNext({ status: 503, headers: { 'retry-after': '7' }, body: Buffer.from('busy') }, 2)
    proxy.changeNext((answer) => ({ ...answer, headers: {}, body: answer.body.subarray(0, 2) }))
    const seen: string[] = []
    for (let i = 0; i < 4; i++) {
      const answer = await fetch(`http://127.0.0.1:${proxy.port}/x`)
      seen.push(`${answer.status} ${await answer.text()}`)
    }
    expect(seen).toEqual(['503 busy', '503 busy', '201 /x', '201 /x '])
    expect(hosts.length - before).toBe(2)
  })

  it('does the same over TLS, by a certificate of its own', async () => {
    const [behind, own] = [createCertificate(), createCertificate()]
    const secured = createSecureServer(behind, (_request, response) => void response.end('told in secret'))
    onTestFinished(() => void secured.close())
    secured.listen(0, '127.0.0.1')
    await once(secured, 'listening')
    const { port } = secured.address() as { port: number }
    await using proxy = await startHttpProxy({
      target: `https://127.0.0.1:${port}`,
      tls: { ...own, ca: behind.cert },
    })
    proxy.answerNext({ status: 503, headers: {}, body: Buffer.from('busy') })
    const seen: string[] = []
    for (let i = 0; i < 2; i++) {
      const asked = get(`https://127.0.0.1:${proxy.port}/x`, { agent: false, ca: [behind.cert, own.cert] })
      const [answer] = await once(asked, 'response')
      seen.push(await text(answer))
    }
    expect(seen).toEqual(['busy', 'told in secret'])
  })

  it('sends an answer byte by byte', async () => {
    await using proxy = await startHttpProxy({ target })
    proxy.answerNext({ status: 200, headers: { 'content-length': '2' }, body: Buffer.from('ok'), pauseMs: 1 })
    const started = performance.now()
    expect(await (await fetch(`http://127.0.0.1:${proxy.port}/x`)).text()).toBe('ok')
    expect(performance.now() - started).toBeGreaterThan(30)
  })
})
