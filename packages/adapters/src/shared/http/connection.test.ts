import { once } from 'node:events'
import { type AddressInfo, createServer as createPlain, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createServer as createTls } from 'node:tls'
import { StowageError } from '@stowage/core'
import { createCertificate } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ExactBody } from '../body.ts'
import { Gate } from '../connect.ts'
import { Flow } from '../flow.ts'
import { HttpPool } from './pool.ts'
import type { AnswerControl, AnswerHandler, HttpRequest } from './request.ts'

/** A server that answers every piece it hears with this, and connections to it. */
async function serve(answer: Buffer | string, { tls = false, maxSockets = 1 } = {}): Promise<HttpPool> {
  const { cert, key } = createCertificate()
  const sockets = new Set<Socket>()
  const hear = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {}).on('data', () => socket.write(answer))
  }
  const server = tls ? createTls({ cert, key }, hear) : createPlain(hear)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  const pool = new HttpPool({ origin, maxSockets, connectTimeoutMs: 60_000, gate: new Gate({ id: 'lan' }), ca: [cert] })
  onTestFinished(async () => {
    pool.destroy()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return pool
}

/** Sends a request. @returns everything that was told, when its end was */
function ask(
  pool: HttpPool,
  handler: Partial<AnswerHandler> = {},
  request: Partial<HttpRequest> = {},
): Promise<string> {
  return new Promise((resolve) => {
    pool.dispatch(
      { method: 'GET', path: '/', headers: [], ...request },
      {
        onStart: () => {},
        onHead: () => {},
        onData: () => {},
        onEnd: () => resolve('answered'),
        onError: (error) => resolve(error.message),
        ...handler,
      },
    )
  })
}

const empty = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'

describe('a request that is given up', () => {
  it('at its start lets the next be sent, however many there are', async () => {
    const pool = await serve(empty)
    const giveUp = (): never => {
      throw new Error('given up')
    }
    const many = Array.from({ length: 8_000 }, () => ask(pool, { onStart: giveUp }))
    const last = ask(pool)
    expect(new Set(await Promise.all(many))).toEqual(new Set(['given up']))
    expect(await last).toBe('answered')
  })

  it('and replaced at once has its successor sent', async () => {
    const pool = await serve(empty)
    expect(await ask(pool)).toBe('answered')
    const successor = await new Promise<string>((resolve) => {
      const onStart = (control: AnswerControl): never => {
        control.pause()
        throw new Error('given up')
      }
      void ask(pool, { onStart, onError: () => resolve(ask(pool)) })
    })
    expect(successor).toBe('answered')
  })

  it('with its connection at its start is told so, once', async () => {
    const pool = await serve(empty)
    const onStart = (control: AnswerControl): never => {
      control.abort(new Error('with its connection'))
      throw new Error('and again')
    }
    expect(await ask(pool, { onStart: (control) => control.abort(new Error('aborted')) })).toBe('aborted')
    const told: string[] = []
    void ask(pool, { onStart, onError: (error) => void told.push(error.message) })
    expect(await ask(pool)).toBe('answered')
    expect(told).toEqual(['with its connection'])
  })

  it.each([1, 2, 5, 6, 7])('over TLS leaves what was given out as it is, after %i pieces', async (pieces) => {
    const body = Buffer.alloc(400_000)
    for (let i = 0; i < body.length; i++) body[i] = i >> 12
    const pool = await serve(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n'), body]), {
      tls: true,
    })
    let control: AnswerControl | undefined
    let at = 0
    let count = 0
    let last: Buffer = Buffer.alloc(0)
    const told = await ask(pool, {
      onStart: (one) => {
        control = one
      },
      onData: (chunk) => {
        at += chunk.length
        last = chunk
        if (++count === pieces) control?.abort(new Error('enough'))
      },
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).toBe('enough')
    expect(last.equals(body.subarray(at - last.length, at))).toBe(true)
  })
})

describe('a body', () => {
  it('that was read already is too short', async () => {
    const pool = await serve('')
    const body = Readable.from([Buffer.from('ab')])
    body.resume()
    await once(body, 'close')
    expect(await ask(pool, {}, { method: 'PUT', body, length: 2 })).toBe('the body is shorter than announced')
  })

  it('is passed on, with its memory, only to one who reads it alone', () => {
    const returned: Uint8Array[] = []
    const source = Object.assign(new Readable({ read() {} }), { takeBack: (chunk: Uint8Array) => returned.push(chunk) })
    const mapError = (): StowageError => new StowageError('unavailable', 'It is gone.')
    const make = (): ExactBody => new ExactBody(source, { length: 2, what: 'it', mapError })
    const flow = new Flow(1_000, () => undefined)
    onTestFinished(() => flow.over())
    const heard = make().on('data', () => {})
    expect(heard.passTo(flow, 2)).toBe(false)
    const body = make()
    expect(body.passTo(flow, 2)).toBe(true)
    const chunk = Buffer.from('a')
    body.on('data', () => {})
    body.takeBack(chunk)
    expect(returned).toEqual([chunk])
    body.on('data', () => {})
    body.takeBack(chunk)
    expect(returned).toEqual([chunk])
    heard.destroy()
    body.destroy()
  })
})
