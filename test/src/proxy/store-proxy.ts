/**
 * A proxy in front of an S3 store that understands its calls: it notes each one with the bytes that came for it, and lets a test meddle with
 * those that it picks. Signatures hold, since path, query and `host` go on as they came.
 */
import { once } from 'node:events'
import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { afterTest } from '../tmp.ts'
import type { HttpAnswer } from './http-proxy.ts'
import { callOf, type StoreCall } from './store-call.ts'

/** A call as the proxy saw it. */
export interface SeenCall {
  readonly call: StoreCall
  readonly method: string
  readonly bucket: string
  /** Decoded; empty for calls of the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  /** Bytes of the body that the client has sent. */
  readonly received: number
  /** Bytes of the body that the client was sent. */
  readonly answered: number
  /** Of the answer; `undefined` as long as there is none, and when the connection broke before. */
  readonly status: number | undefined
}

/** What is done to one call. Without any of it, it goes through. */
export interface Meddling {
  /** Waited for before anything else. */
  before?: () => void | Promise<void>
  /** Answers in place of the store, which does not hear of the call. */
  answer?: HttpAnswer
  /** Changes the body on its way up. */
  changeUp?: (body: Buffer) => Buffer
  /** Changes the answer, which is read whole first. */
  changeDown?: (answer: HttpAnswer) => HttpAnswer
  /** Resets the client's connection when so many bytes of the body have gone up. */
  resetUp?: number
  /** Closes the client's connection when so many bytes of the answer's body have come down, whatever its headers promised. */
  cutDown?: number
  /** The store carries the call out, and its answer is lost. */
  loseAnswer?: boolean
}

export type StoreRule = (call: SeenCall) => Meddling | undefined

export interface StoreProxy extends AsyncDisposable {
  readonly port: number
  readonly endpoint: string
  /** The calls since the start or the last `reset`, in the order in which they came. */
  readonly calls: readonly SeenCall[]
  /** Is asked about each call that comes from now on; `undefined` for none. */
  rule: StoreRule | undefined
  /** How many calls of these kinds there were. */
  count(...kinds: StoreCall[]): number
  /** Bytes that came with puts and parts, also those that were given up half way. */
  bytesUp(): number
  /** Forgets the calls and takes the rule away. */
  reset(): void
  /** Answers no new connection while on, and resets those that are open, as a server that is gone would. */
  gone(on: boolean): void
  stop(): Promise<void>
}

type Seen = { -readonly [Name in keyof SeenCall]: SeenCall[Name] }

/** Waits until more can be written, or nothing more can. */
async function drained(stream: Writable): Promise<void> {
  if (stream.destroyed) return
  const over = new AbortController()
  const events = ['drain', 'close', 'error'].map((name) => once(stream, name, over))
  await Promise.race(events).finally(() => over.abort())
}

/** Starts a proxy in front of an S3 store. Stopped after the test that started it, by `await using`, or by `stop`. */
export async function startStoreProxy({ target }: { readonly target: string }): Promise<StoreProxy> {
  const url = new URL(target)
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()
  let calls: Seen[] = []
  let isGone = false

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/', headers } = incoming
    const seen: Seen = { ...callOf(method, path), method, headers, received: 0, answered: 0, status: undefined }
    calls.push(seen)
    const meddling = proxy.rule?.(seen) ?? {}
    await meddling.before?.()
    // Whoever asked may be gone by now.
    if (meddling.before !== undefined && response.destroyed) return
    const answer = meddling.answer ?? (await ask(incoming, seen, meddling))
    if (answer === undefined || response.destroyed) return
    if (meddling.answer !== undefined) for await (const chunk of incoming) seen.received += (chunk as Buffer).length
    if (meddling.loseAnswer) {
      if (!('body' in answer)) answer.resume()
      response.socket?.resetAndDestroy()
      return
    }
    await give(response, seen, answer, meddling)
  }

  /** Sends the call on. Nothing comes back when the client's connection was reset. */
  async function ask(
    incoming: IncomingMessage,
    seen: Seen,
    { changeUp, changeDown, resetUp }: Meddling,
  ): Promise<IncomingMessage | HttpAnswer | undefined> {
    const { method, headers, url: path } = incoming
    const outgoing = httpRequest({ host: url.hostname, port: url.port, method, path, headers, agent })
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
    answered.catch(() => {})
    incoming.on('close', () => {
      if (!incoming.complete) outgoing.destroy()
    })
    if (changeUp !== undefined) {
      const body = Buffer.concat(await incoming.toArray())
      seen.received = body.length
      outgoing.end(changeUp(body))
    } else {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        seen.received += chunk.length
        if (resetUp !== undefined && seen.received >= resetUp) {
          outgoing.destroy()
          incoming.socket.resetAndDestroy()
          return undefined
        }
        if (!outgoing.write(chunk)) await drained(outgoing)
      }
      outgoing.end()
    }
    const [answer] = await answered
    if (changeDown === undefined) return answer
    const body = Buffer.concat(await answer.toArray())
    const plain = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
    return changeDown({ status: answer.statusCode ?? 502, headers: Object.fromEntries(plain), body })
  }

  async function give(
    response: ServerResponse,
    seen: Seen,
    answer: IncomingMessage | HttpAnswer,
    { cutDown }: Meddling,
  ): Promise<void> {
    const isRead = 'body' in answer
    seen.status = isRead ? answer.status : answer.statusCode
    response.writeHead(seen.status ?? 502, { ...answer.headers })
    const body: AsyncIterable<Buffer> | Buffer[] = isRead ? [answer.body] : answer
    for await (const chunk of body) {
      const left = (cutDown ?? Number.POSITIVE_INFINITY) - seen.answered
      const passed = chunk.length > left ? chunk.subarray(0, left) : chunk
      seen.answered += passed.length
      if (seen.method !== 'HEAD' && !response.write(passed)) await drained(response)
      if (passed.length === chunk.length && seen.answered !== cutDown) continue
      response.socket?.end()
      return
    }
    response.end()
  }

  const server = createServer((incoming, response) => {
    response.on('error', () => {})
    serve(incoming, response).catch(() => response.socket?.destroy())
  })
  server.on('connection', (socket: Socket) => {
    if (isGone) {
      socket.resetAndDestroy()
      return
    }
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }

  async function stop(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    agent.destroy()
    await closed
  }

  afterTest(stop)
  const proxy: StoreProxy = {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    get calls() {
      return calls
    },
    rule: undefined,
    count: (...kinds) => calls.filter(({ call }) => kinds.includes(call)).length,
    bytesUp: () =>
      calls.filter(({ call }) => call === 'put' || call === 'part').reduce((sum, { received }) => sum + received, 0),
    reset() {
      calls = []
      proxy.rule = undefined
    },
    gone(on) {
      isGone = on
      if (on) for (const socket of sockets) socket.resetAndDestroy()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
  return proxy
}
