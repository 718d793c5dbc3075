import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { until } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { type HttpApp, type ListenOptions, listen, type Peer } from './index.ts'

const { Request: globalRequest, Response: globalResponse } = globalThis

/** A server whose answers the test gives. */
async function world(fetch: HttpApp['fetch'], options: Partial<ListenOptions> = {}) {
  const server = await listen({ fetch, close: async () => undefined }, { port: 0, ...options })
  onTestFinished(() => server.close())
  return server
}

it('tells the app who asks, and leaves the globals of the process alone', async () => {
  const peers: Peer[] = []
  const { url, port } = await world(async (_, peer = {}) => {
    peers.push(peer)
    return new Response('hello')
  })
  expect(url).toBe(`http://127.0.0.1:${port}`)
  expect(await (await fetch(`${url}/x`)).text()).toBe('hello')
  expect(peers).toEqual([{ address: '127.0.0.1' }])
  expect(globalThis.Request).toBe(globalRequest)
  expect(globalThis.Response).toBe(globalResponse)
})

it('refuses a port that is in use and a host that is not here, and names them', async () => {
  const app: HttpApp = { fetch: async () => new Response(), close: async () => undefined }
  const { port } = await world(app.fetch)
  const used = await expectCode(listen(app, { port }), 'configuration')
  expect(used).toMatchObject({ field: 'port', message: `Port ${port} of 127.0.0.1 is in use.` })
  const elsewhere = await expectCode(listen(app, { host: '192.0.2.1', port: 0 }), 'configuration')
  expect(elsewhere.field).toBe('host')
})

it('answers a host that is no name with a problem', async () => {
  const { port } = await world(async () => new Response())
  const sent = request({ port, host: '127.0.0.1', path: '/', headers: { host: 'a b' } }).end()
  const [answer] = await once(sent, 'response')
  expect(answer.statusCode).toBe(400)
  expect(JSON.parse(await text(answer))).toMatchObject({ code: 'invalid-request', status: 400 })
})

it('lets a request end when it closes, takes no other, and drops connections that are kept', async () => {
  const begun = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const server = await world(async ({ url }) => {
    if (!url.endsWith('/slow')) return new Response('soon')
    begun.resolve()
    await go.promise
    return new Response('at last')
  })
  const { url, port } = server
  // Its connection is kept for another request.
  expect(await (await fetch(`${url}/soon`)).text()).toBe('soon')
  const slow = fetch(`${url}/slow`)
  await begun.promise
  let closed = false
  const closing = server.close().then(() => {
    closed = true
  })
  const refused = connect({ port, host: '127.0.0.1' })
  const [error] = await once(refused, 'error')
  expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  expect(closed).toBe(false)
  go.resolve()
  expect(await (await slow).text()).toBe('at last')
  await closing
  await server.close()
})

it('cuts off a request that does not end', async () => {
  const clock = new FakeClock()
  const begun = Promise.withResolvers<void>()
  const server = await world(
    () => {
      begun.resolve()
      return new Promise(() => undefined)
    },
    { closeMs: 5000, clock },
  )
  const stuck = fetch(server.url).then(
    () => 'answered',
    () => 'cut off',
  )
  await begun.promise
  const closing = server.close()
  await until('it waits', () => clock.sleeping === 1)
  await clock.advance(5000)
  await closing
  expect(await stuck).toBe('cut off')
})
