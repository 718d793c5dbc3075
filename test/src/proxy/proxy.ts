/**
 * A TCP proxy for one server: counts the bytes on the wire each way, delays and throttles them, and injects faults at
 * exact byte positions. It knows nothing of what it carries, so that TLS passes through.
 */
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterTest } from '../tmp.ts'
import { ArmedFault, type Direction, type Fault, type FaultKind } from './faults.ts'

export interface ProxyOptions {
  /** Where to send everything: `http://127.0.0.1:9000`. */
  readonly target: string
}

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** The target's URL with the proxy's host and port. */
  readonly endpoint: string
  /** Bytes that the clients sent and that went on to the server. */
  readonly bytesUp: number
  /** Bytes that the server sent and that went on to the clients. */
  readonly bytesDown: number
  /** Connections accepted since the start or the last `resetCounts`. */
  readonly connections: number
  /** Connections open now. */
  readonly open: number
  resetCounts(): void
  /** Adds a fault; several may be armed. */
  add(fault: Fault): void
  /** Closes the connection after `bytes` more bytes in this direction. */
  cutAfter(bytes: number, direction?: Direction, times?: number): void
  /** Resets (RST) the connection after `bytes` more bytes in this direction. */
  resetAfter(bytes: number, direction?: Direction, times?: number): void
  /** Moves nothing more on the connection after `bytes` more bytes in this direction, and leaves it open. */
  stallAfter(bytes: number, direction?: Direction, times?: number): void
  /** Ends this direction after `bytes` more bytes, as if the sender had sent no more. */
  truncateAfter(bytes: number, direction?: Direction, times?: number): void
  /** Inverts the bits of the byte that follows `bytes` more bytes in this direction. */
  corruptAt(bytes: number, direction?: Direction, times?: number): void
  /** Holds each piece back for so many milliseconds; 0 for none. */
  delay(milliseconds: number): void
  /** Bytes per second of each connection and direction; `Infinity` for no limit. */
  throttle(bytesPerSecond: number): void
  /** Resets every new connection while on, as a server that is down would. */
  refuse(on: boolean): void
  /** Takes away all faults, delays, limits and refusals, and lets stalled connections go on. */
  clear(): void
  /** Resets every open connection. */
  closeAll(): void
  stop(): Promise<void>
}

/** A reset overtakes bytes that the receiver has not read yet: it gets time to. */
const beforeResetMs = 20

interface Connection {
  readonly client: Socket
  readonly upstream: Socket
}

/** Resets a connection. One that is shutting down cannot be reset any more: Node would then leave it open for ever. */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** Waits for the first of some events, and listens for none of them after it. */
async function firstOf(socket: Socket, ...names: string[]): Promise<void> {
  const over = new AbortController()
  await Promise.race(names.map((name) => once(socket, name, over))).finally(() => over.abort())
}

/** Starts a proxy in front of a server. Stopped after the test that started it, by `await using`, or by `stop`. */
export async function startProxy({ target }: ProxyOptions): Promise<Proxy> {
  const url = new URL(target)
  const targetPort = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const connections = new Set<Connection>()
  const bytes = { up: 0, down: 0 }
  let accepted = 0
  let faults: ArmedFault[] = []
  let delayMs = 0
  let rate = Number.POSITIVE_INFINITY
  let refusing = false
  let go = Promise.withResolvers<void>()

  function reset(connection: Connection): void {
    const { client, upstream } = connection
    connections.delete(connection)
    resetSocket(client)
    resetSocket(upstream)
  }

  /** The first fault that hits these bytes, and where. */
  function nextFault(direction: Direction, length: number): { kind: FaultKind; at: number } | undefined {
    let first: { kind: FaultKind; at: number } | undefined
    for (const fault of faults) {
      if (fault.direction !== direction) continue
      const at = fault.pass(length)
      if (at !== undefined && (first === undefined || at < first.at)) first = { kind: fault.kind, at }
    }
    return first
  }

  async function forward(to: Socket, direction: Direction, chunk: Buffer): Promise<void> {
    if (chunk.length === 0) return
    const wait = delayMs + (Number.isFinite(rate) ? (chunk.length / rate) * 1000 : 0)
    if (wait > 0) await sleep(wait)
    if (to.destroyed) return
    bytes[direction] += chunk.length
    if (!to.write(chunk)) await firstOf(to, 'drain', 'close')
  }

  /** Carries one direction of a connection until it ends; resolves when the other side may be told of the end. */
  async function pump(connection: Connection, direction: Direction): Promise<void> {
    const [from, to] =
      direction === 'up' ? [connection.client, connection.upstream] : [connection.upstream, connection.client]
    let swallow = false
    // The end of one direction is not the end of the other.
    for await (const data of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      let chunk = data
      while (chunk.length > 0 && !swallow) {
        const fault = nextFault(direction, chunk.length)
        if (fault === undefined) {
          await forward(to, direction, chunk)
          break
        }
        await forward(to, direction, chunk.subarray(0, fault.at))
        chunk = chunk.subarray(fault.at)
        if (fault.kind === 'corrupt') {
          await forward(to, direction, Buffer.from([~(chunk[0] as number) & 0xff]))
          chunk = chunk.subarray(1)
        } else if (fault.kind === 'stall') {
          await Promise.race([go.promise, once(to, 'close'), once(from, 'close')])
        } else if (fault.kind === 'reset') {
          await sleep(beforeResetMs)
          reset(connection)
          return
        } else {
          to.end()
          swallow = true
          if (fault.kind === 'cut') from.destroy()
        }
      }
    }
    to.end()
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => {})
    accepted++
    if (refusing) {
      resetSocket(client)
      return
    }
    const upstream = createConnection({ host: url.hostname, port: targetPort, allowHalfOpen: true, noDelay: true })
    const connection = { client, upstream }
    connections.add(connection)
    upstream.on('error', () => resetSocket(client))
    client.once('close', () => {
      connections.delete(connection)
      upstream.destroy()
    })
    // A direction that breaks takes the connection with it.
    for (const direction of ['up', 'down'] as const) pump(connection, direction).catch(() => reset(connection))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }

  function add(fault: Fault): void {
    faults.push(new ArmedFault(fault))
  }

  const adder =
    (kind: FaultKind) =>
    (after: number, direction: Direction = 'down', times = 1): void =>
      add({ kind, after, direction, times })

  function closeAll(): void {
    for (const connection of connections) reset(connection)
  }

  async function stop(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    closeAll()
    await closed
  }

  afterTest(stop)
  return {
    port,
    endpoint: `${url.protocol}//127.0.0.1:${port}`,
    get bytesUp() {
      return bytes.up
    },
    get bytesDown() {
      return bytes.down
    },
    get connections() {
      return accepted
    },
    get open() {
      return connections.size
    },
    resetCounts() {
      bytes.up = 0
      bytes.down = 0
      accepted = 0
    },
    add,
    cutAfter: adder('cut'),
    resetAfter: adder('reset'),
    stallAfter: adder('stall'),
    truncateAfter: adder('truncate'),
    corruptAt: adder('corrupt'),
    delay(milliseconds) {
      delayMs = milliseconds
    },
    throttle(bytesPerSecond) {
      rate = bytesPerSecond
    },
    refuse(on) {
      refusing = on
    },
    clear() {
      faults = []
      delayMs = 0
      rate = Number.POSITIVE_INFINITY
      refusing = false
      go.resolve()
      go = Promise.withResolvers()
    },
    closeAll,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
