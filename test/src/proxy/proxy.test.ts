import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startProxy } from './proxy.ts'

/** Sends back what it gets, and its own end when the client has ended. */
let echo: Server
let target: string
const payload = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251))

beforeAll(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  target = `http://127.0.0.1:${(echo.address() as { port: number }).port}`
})

afterAll(() => {
  echo.close()
})

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

async function roundTrip(port: number, data: Buffer = payload): Promise<Buffer> {
  const socket = await open(port)
  socket.on('error', () => {})
  socket.end(data)
  return buffer(socket)
}

describe('startProxy', () => {
  it('carries bytes both ways and counts them', async () => {
    const proxy = await startProxy({ target })
    expect(proxy.endpoint).toBe(`http://127.0.0.1:${proxy.port}`)
    expect((await roundTrip(proxy.port)).equals(payload)).toBe(true)
    expect([proxy.bytesUp, proxy.bytesDown, proxy.connections]).toEqual([payload.length, payload.length, 1])
    proxy.resetCounts()
    await roundTrip(proxy.port, Buffer.from('more'))
    expect([proxy.bytesUp, proxy.bytesDown, proxy.connections]).toEqual([4, 4, 1])
    await expect.poll(() => proxy.open).toBe(0)
  })

  it('cuts the answer after exactly so many bytes, once', async () => {
    const proxy = await startProxy({ target })
    proxy.cutAfter(70_001)
    expect((await roundTrip(proxy.port)).equals(payload.subarray(0, 70_001))).toBe(true)
    expect((await roundTrip(proxy.port)).length).toBe(payload.length)
  })

  it('cuts the request after exactly so many bytes', async () => {
    const proxy = await startProxy({ target })
    proxy.cutAfter(1_000, 'up')
    await roundTrip(proxy.port).catch(() => {})
    expect(proxy.bytesUp).toBe(1_000)
  })

  it('counts over connections, and hits as often as told', async () => {
    const proxy = await startProxy({ target })
    proxy.cutAfter(15, 'down', 2)
    const ten = payload.subarray(0, 10)
    const lengths: number[] = []
    for (let round = 0; round < 5; round++) lengths.push((await roundTrip(proxy.port, ten)).length)
    expect(lengths).toEqual([10, 5, 10, 5, 10])
  })

  it('truncates the request, and the answer to what was sent still arrives', async () => {
    const proxy = await startProxy({ target })
    proxy.truncateAfter(1_000, 'up')
    expect((await roundTrip(proxy.port)).equals(payload.subarray(0, 1_000))).toBe(true)
  })

  it('inverts one byte', async () => {
    const proxy = await startProxy({ target })
    proxy.corruptAt(123_456)
    const received = await roundTrip(proxy.port)
    const different = [...received.keys()].filter((index) => received[index] !== payload[index])
    expect(different).toEqual([123_456])
  })

  it('resets the connection', async () => {
    const proxy = await startProxy({ target })
    proxy.resetAfter(10)
    const socket = await open(proxy.port)
    socket.end(payload)
    await expect(buffer(socket)).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('stalls until it is cleared', async () => {
    const proxy = await startProxy({ target })
    proxy.stallAfter(1_000)
    const answer = roundTrip(proxy.port)
    await expect.poll(() => proxy.bytesDown).toBe(1_000)
    await sleep(50)
    expect(proxy.bytesDown).toBe(1_000)
    expect(proxy.open).toBe(1)
    proxy.clear()
    expect((await answer).equals(payload)).toBe(true)
  })

  it('delays', async () => {
    const proxy = await startProxy({ target })
    proxy.delay(60)
    const started = performance.now()
    await roundTrip(proxy.port, Buffer.from('x'))
    expect(performance.now() - started).toBeGreaterThan(115)
  })

  it('throttles', async () => {
    const proxy = await startProxy({ target })
    proxy.throttle(1_000_000)
    const started = performance.now()
    expect((await roundTrip(proxy.port)).equals(payload)).toBe(true)
    expect(performance.now() - started).toBeGreaterThan(195)
  })

  it('refuses and resets, as a server that is down', async () => {
    const proxy = await startProxy({ target })
    const socket = await open(proxy.port)
    const failed = once(socket, 'error')
    await expect.poll(() => proxy.open).toBe(1)
    proxy.closeAll()
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }])
    proxy.refuse(true)
    expect((await roundTrip(proxy.port).catch(() => Buffer.of())).length).toBe(0)
    proxy.refuse(false)
    expect((await roundTrip(proxy.port)).length).toBe(payload.length)
  })

  it('resets the client when the server is gone', async () => {
    const proxy = await startProxy({ target: 'http://127.0.0.1:1' })
    const socket = await open(proxy.port)
    await expect(buffer(socket)).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('listens no longer when stopped', async () => {
    const proxy = await startProxy({ target })
    const socket = await open(proxy.port)
    socket.on('error', () => {})
    await proxy.stop()
    await expect(open(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})
