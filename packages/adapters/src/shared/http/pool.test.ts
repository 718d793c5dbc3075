import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Gate } from '../connect.ts'
import { HttpPool } from './pool.ts'
import type { AnswerControl, AnswerHandler, HttpRequest } from './request.ts'

interface Scene {
  pool: HttpPool
  /** Sends a request and reads its answer. */
  ask: (request?: Partial<HttpRequest>, onStart?: (control: AnswerControl) => void) => Promise<string>
  sockets: Set<Socket>
  /** Connections that were ever made. */
  made: () => number
}

/** A server of bytes: what it hears of a connection, it hears with its number. */
async function serve(hear: (socket: Socket, bytes: Buffer, index: number) => void, maxSockets = 4): Promise<Scene> {
  const sockets = new Set<Socket>()
  let made = 0
  const server = createServer((socket) => {
    const index = made++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    socket.on('data', (bytes) => hear(socket, bytes, index))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const pool = poolTo(`http://127.0.0.1:${port}`, maxSockets)
  onTestFinished(async () => {
    pool.destroy()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { pool, ask: (request, onStart) => ask(pool, request, onStart), sockets, made: () => made }
}

function poolTo(origin: string, maxSockets = 4): HttpPool {
  return new HttpPool({ origin, maxSockets, connectTimeoutMs: 60_000, gate: new Gate({ id: 'lan' }) })
}

function ask(
  pool: HttpPool,
  request: Partial<HttpRequest> = {},
  onStart: (control: AnswerControl) => void = () => {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const handler: AnswerHandler = {
      onStart,
      onHead: (status) => {
        text = `${status} `
      },
      onData: (chunk) => {
        text += chunk.toString()
      },
      onEnd: () => resolve(text),
      onError: reject,
    }
    pool.dispatch({ method: 'GET', path: '/', headers: [], ...request }, handler)
  })
}

const answer = (body: string, more = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${more}\r\n${body}`

describe('kept connections', () => {
  it('serve one request after another', async () => {
    const { ask, made } = await serve((socket) => socket.write(answer('x')))
    for (let i = 0; i < 5; i++) expect(await ask()).toBe('200 x')
    expect(made()).toBe(1)
  })

  it('are no more than may be, and serve in turn', async () => {
    const heard: Socket[] = []
    const { ask, made } = await serve((socket) => void heard.push(socket), 2)
    const all = Promise.all(Array.from({ length: 6 }, () => ask()))
    for (let i = 0; i < 6; i++) {
      await expect.poll(() => heard.length).toBeGreaterThan(i)
      heard[i]?.write(answer(String(i)))
    }
    expect((await all).sort()).toEqual(['200 0', '200 1', '200 2', '200 3', '200 4', '200 5'])
    expect(made()).toBe(2)
  })

  it.each([
    ['when the store says so', answer('x', 'connection: close\r\n')],
    ['of HTTP/1.0', answer('x').replace('1.1', '1.0')],
    ['that say more than they were asked', `${answer('x')}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`],
  ])('are not used again %s', async (_, text) => {
    const { ask, made } = await serve((socket) => socket.write(text))
    expect(await ask()).toBe('200 x')
    expect(await ask()).toBe('200 x')
    expect(made()).toBe(2)
  })

  it('are given up when the store closes them or speaks unasked', async () => {
    const { ask, sockets, made } = await serve((socket, _bytes, index) => {
      socket.write(answer('x'), () => setImmediate(() => (index === 0 ? socket.end() : socket.write('?'))))
    })
    expect(await ask()).toBe('200 x')
    await expect.poll(() => sockets.size).toBe(0)
    expect(await ask()).toBe('200 x')
    await expect.poll(() => sockets.size).toBe(0)
    expect(made()).toBe(2)
  })

  it('fail the request that they were opened for, each', async () => {
    const gone = createServer()
    await once(gone.listen(0, '127.0.0.1'), 'listening')
    const { port } = gone.address() as AddressInfo
    await new Promise((resolve) => gone.close(resolve))
    const pool = poolTo(`http://127.0.0.1:${port}`, 2)
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => ask(pool)))
    expect(results.map((one) => (one.status === 'rejected' ? one.reason.code : 'answered'))).toEqual(
      Array(5).fill('ECONNREFUSED'),
    )
    pool.destroy()
    await expect(ask(pool)).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('fail what is under way and what waits when they are closed', async () => {
    const { pool, ask, sockets } = await serve(() => {}, 1)
    const results = Promise.allSettled([ask(), ask()])
    await expect.poll(() => sockets.size).toBe(1)
    pool.destroy()
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await expect.poll(() => sockets.size).toBe(0)
  })

  it('end with a body that is cut short, and with one that is given up', async () => {
    const { ask, sockets } = await serve((socket, _bytes, index) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')
      if (index === 0) socket.end()
    })
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNRESET' })
    let control: AnswerControl | undefined
    const given = ask({}, (one) => {
      control = one
    })
    await expect.poll(() => control).toBeDefined()
    control?.abort(new Error('given up'))
    await expect(given).rejects.toThrow('given up')
    await expect.poll(() => sockets.size).toBe(0)
  })

  it('stay when a request is given up before it is sent', async () => {
    const { ask, made } = await serve((socket) => socket.write(answer('x')), 1)
    const giveUp = (): never => {
      throw new Error('given up')
    }
    const results = await Promise.allSettled([ask(), ask({}, giveUp), ask()])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(made()).toBe(1)
  })

  it('take nothing while the reader has enough', async () => {
    const { ask } = await serve((socket) => socket.write(answer('y'.repeat(3_000_000))))
    let control: AnswerControl | undefined
    const asked = ask({}, (one) => {
      control = one
      one.pause()
    })
    await expect.poll(() => control).toBeDefined()
    let isOver = false
    void asked.then(() => {
      isOver = true
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(isOver).toBe(false)
    control?.resume()
    expect((await asked).length).toBe(3_000_004)
    expect((await ask()).length).toBe(3_000_004)
  })
})

describe('what is sent', () => {
  async function sent(request: Partial<HttpRequest>, size: number): Promise<string> {
    let text = ''
    const scene = await serve((socket, bytes) => {
      text += bytes.toString('latin1')
      if (text.length - text.indexOf('\r\n\r\n') - 4 >= size) socket.write(answer(''))
    })
    await scene.ask(request)
    return text.replace(/127.0.0.1:\d+/, 'host')
  }

  it('is exactly the request', async () => {
    expect(await sent({ path: '/a?b=c', headers: ['x-a', 'b c'] }, 0)).toBe(
      'GET /a?b=c HTTP/1.1\r\nhost: host\r\nconnection: keep-alive\r\nx-a: b c\r\n\r\n',
    )
    expect(await sent({ method: 'PUT', body: Buffer.from('hi') }, 2)).toMatch(/content-length: 2\r\n\r\nhi$/)
    expect(await sent({ method: 'PUT' }, 0)).toMatch(/content-length: 0\r\n\r\n$/)
    const large = 'z'.repeat(100_000)
    expect(
      (await sent({ method: 'PUT', body: Buffer.from(large) }, large.length)).endsWith(`100000\r\n\r\n${large}`),
    ).toBe(true)
    const slices = { body: [Buffer.from('ab'), Buffer.from('c')], length: 3 }
    expect(await sent({ method: 'PUT', ...slices }, 3)).toMatch(/content-length: 3\r\n\r\nabc$/)
    const stream = { body: Readable.from([Buffer.from('de'), Buffer.from('f')]), length: 3 }
    expect(await sent({ method: 'PUT', ...stream }, 3)).toMatch(/content-length: 3\r\n\r\ndef$/)
  })

  it.each([
    ['a header', { headers: ['x-a', 'b\r\nx-evil: 1'] }],
    ['a header beyond Latin-1', { headers: ['x-a', '名'] }],
    ['a path', { path: '/a b' }],
    ['a path that ends the line', { path: '/a\r\nx: y' }],
  ])('has no %s that would not stay where it is', async (_, request) => {
    const { ask, made } = await serve(() => {})
    await expect(ask(request)).rejects.toMatchObject({ code: 'ERR_INVALID_CHAR' })
    expect(made()).toBe(0)
  })

  it.each([
    ['short', 3],
    ['long', 1],
  ])('is never a body that is too %s', async (_, length) => {
    let heard = ''
    const { ask, sockets } = await serve((_socket, bytes) => {
      heard += bytes.toString()
    })
    for (const body of [[Buffer.from('a'), Buffer.from('b')], Readable.from([Buffer.from('a'), Buffer.from('b')])]) {
      await expect(ask({ method: 'PUT', body, length })).rejects.toMatchObject({ code: 'ERR_BODY_LENGTH' })
    }
    await expect.poll(() => sockets.size).toBe(0)
    expect(heard).not.toMatch(/length: 1\r\n\r\nab/)
  })

  it('ends with its source, and its source with it', async () => {
    const { ask, sockets } = await serve((socket, _bytes, index) => {
      if (index === 1) socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno')
      if (index === 2) socket.write(answer(''))
      if (index === 3) socket.destroy()
    })
    const failing = new Readable({ read() {} })
    failing.push(Buffer.from('x'))
    const failed = ask({ method: 'PUT', body: failing, length: 100 })
    await expect.poll(() => sockets.size).toBe(1)
    failing.destroy(new Error('the disk is gone'))
    await expect(failed).rejects.toThrow('the disk is gone')

    const early = new Readable({ read() {} })
    early.push(Buffer.from('x'))
    expect(await ask({ method: 'PUT', body: early, length: 100 })).toBe('403 no')
    expect(early.destroyed).toBe(true)

    const lied = new Readable({ read() {} })
    lied.push(Buffer.from('x'))
    await expect(ask({ method: 'PUT', body: lied, length: 100 })).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(lied.destroyed).toBe(true)

    const cut = new Readable({ read() {} })
    cut.push(Buffer.from('x'))
    await expect(ask({ method: 'PUT', body: cut, length: 100 })).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(cut.destroyed).toBe(true)
    await expect.poll(() => sockets.size).toBe(0)
  })

  it.each([
    ['in one piece', (bytes: Buffer) => bytes],
    ['in pieces', (bytes: Buffer) => [bytes.subarray(0, 5), bytes.subarray(5)]],
    ['as a stream', (bytes: Buffer) => Readable.from([bytes.subarray(0, 5), bytes.subarray(5)])],
  ])('is not read any more once the answer is told, when it went %s', async (_, bodyOf) => {
    let socket: Socket | undefined
    let heard = 0
    let changed = 0
    const { ask } = await serve((from, bytes) => {
      if (socket === undefined) {
        // It says yes to the head, and takes the bytes later.
        socket = from.pause()
        socket.write(answer(''))
      }
      for (const byte of bytes) if (byte === 0xff) changed++
      heard += bytes.length
    })
    // More than both ends of a connection hold.
    const bytes = Buffer.alloc(64 * 1024 * 1024, 'a')
    let told = false
    const asked = ask({ method: 'PUT', body: bodyOf(bytes), length: bytes.length }).then(() => {
      told = true
      bytes.fill(0xff)
    })
    await expect.poll(() => socket).toBeDefined()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(told).toBe(false)
    socket?.resume()
    await asked
    await expect.poll(() => heard).toBeGreaterThan(bytes.length)
    expect(changed).toBe(0)
  })

  it('is given up with its connection when the answer is a no', async () => {
    const { ask, made, sockets } = await serve((socket, _bytes, index) => {
      socket.pause().write(index === 0 ? 'HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nno' : answer(''))
    })
    const bytes = Buffer.alloc(64 * 1024 * 1024, 'a')
    expect(await ask({ method: 'PUT', body: bytes, length: bytes.length })).toBe('503 no')
    expect(await ask()).toBe('200 ')
    expect(made()).toBe(2)
    expect(sockets.size).toBe(2)
  })

  it('tells when a chunk has left', async () => {
    const { ask } = await serve((socket, bytes) => {
      if (bytes.toString().endsWith('c')) socket.write(answer(''))
    })
    const left: string[] = []
    const onSent = (chunk: Uint8Array): void => void left.push(Buffer.from(chunk).toString())
    await ask({ method: 'PUT', body: Readable.from([Buffer.from('ab'), Buffer.from('c')]), length: 3, onSent })
    expect(left).toEqual(['ab', 'c'])
  })
})
