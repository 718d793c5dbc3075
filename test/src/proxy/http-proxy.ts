/**
 * A proxy that understands HTTP: it answers in place of the server, or changes what the server answers. What it sends on keeps the `host`
 * header, so that signatures hold. For faults of the connection there is the TCP proxy.
 */
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterTest } from '../tmp.ts'

/** An answer, read whole. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Milliseconds between one byte and the next; without it everything is sent at once. */
  readonly pauseMs?: number
}

export interface HttpProxy extends AsyncDisposable {
  readonly port: number
  /** Requests that came. */
  readonly requests: number
  /** Connections open now. */
  readonly open: number
  /** Answers the next requests; the server does not hear of them. */
  answerNext(answer: HttpAnswer, times?: number): void
  /** Changes what the server answers to the next requests. */
  changeNext(change: (answer: HttpAnswer) => HttpAnswer, times?: number): void
  stop(): Promise<void>
}

export interface HttpProxyOptions {
  /** Where to send everything: `http://127.0.0.1:9000`. */
  readonly target: string
  /** For a target of `https:`: the certificate that it is trusted by, and the proxy's own with its key, as PEM. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}

/** Starts a proxy in front of a server. Stopped after the test that started it, by `await using`, or by `stop`. */
export async function startHttpProxy({ target, tls }: HttpProxyOptions): Promise<HttpProxy> {
  const url = new URL(target)
  const planned: { answer?: HttpAnswer; change?: (answer: HttpAnswer) => HttpAnswer }[] = []
  const sockets = new Set<Socket>()
  let requests = 0

  async function ask(incoming: IncomingMessage): Promise<HttpAnswer> {
    const { method = 'GET', url: path = '/', headers } = incoming
    const to = { host: '127.0.0.1', port: url.port, method, path, headers, agent: false }
    const outgoing = tls === undefined ? httpRequest(to) : httpsRequest({ ...to, ca: tls.ca })
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
    incoming.pipe(outgoing)
    const [answer] = await answered
    const body = Buffer.concat(await answer.toArray())
    const plain = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
    return { status: answer.statusCode ?? 502, headers: Object.fromEntries(plain), body }
  }

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    requests++
    const { answer: given, change } = planned.shift() ?? {}
    try {
      if (given !== undefined) await incoming.toArray()
      const asked = given ?? (await ask(incoming))
      const answer = change?.(asked) ?? asked
      if (answer.pauseMs !== undefined && response.socket !== null) {
        await dribble(response.socket, answer, answer.pauseMs)
        return
      }
      response.writeHead(answer.status, { ...answer.headers })
      response.end(incoming.method === 'HEAD' ? undefined : answer.body)
    } catch {
      response.socket?.destroy()
    }
  }

  const server = tls === undefined ? createServer(serve) : createSecureServer({ cert: tls.cert, key: tls.key }, serve)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function plan(step: (typeof planned)[number], times: number): void {
    for (let i = 0; i < times; i++) planned.push(step)
  }

  async function stop(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }

  afterTest(stop)
  return {
    port: (server.address() as { port: number }).port,
    get requests() {
      return requests
    },
    get open() {
      return sockets.size
    },
    answerNext: (answer, times = 1) => plan({ answer }, times),
    changeNext: (change, times = 1) => plan({ change }, times),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Sends an answer byte by byte, until the reader has had enough. */
async function dribble(socket: Socket, { status, headers, body }: HttpAnswer, pauseMs: number): Promise<void> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const all = Buffer.concat([Buffer.from(`HTTP/1.1 ${status} -\r\n${lines.join('')}\r\n`), body])
  for (const byte of all) {
    if (socket.destroyed) return
    socket.write(Buffer.of(byte))
    await sleep(pauseMs)
  }
}
