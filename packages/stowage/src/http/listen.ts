import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Clock, StowageError, systemClock, toStowageError } from '@stowage/core'
import { atMost } from '../app/at-most.ts'
import type { HttpApp } from './app.ts'
import { forStrangers, problemOf } from './problem.ts'

/** Where an app is served. */
export interface ListenOptions {
  /** @defaultValue '127.0.0.1' */
  host?: string
  /** 0 for any that is free. */
  port: number
  /** Milliseconds that requests have to end when it is closed; then they are cut off. @defaultValue 10000 */
  closeMs?: number
  /** Told of what goes wrong with the server. */
  onError?: (error: StowageError) => void
  /** @defaultValue the machine's */
  clock?: Clock
}

/** A server that listens. */
export interface Listening {
  /** Its address, such as `http://127.0.0.1:7869`. */
  readonly url: string
  readonly port: number
  /** Takes no more connections, lets requests end, and gives the port back. */
  close(): Promise<void>
}

/**
 * Serves an app over HTTP. Needs the package `@hono/node-server`.
 * @throws StowageError `configuration` naming `port` or `host` when that cannot be listened on
 */
export async function listen(app: HttpApp, options: ListenOptions): Promise<Listening> {
  const { host = '127.0.0.1', closeMs = 10_000, onError = () => undefined, clock = systemClock } = options
  const answer = getRequestListener(
    (request, { incoming }) => {
      const address = incoming.socket.remoteAddress
      return app.fetch(request, address === undefined ? {} : { address })
    },
    // The globals of the process are not ours.
    { overrideGlobalObjects: false, errorHandler: badRequest },
  )
  const server = createServer(answer)
  await begin(server, host, options.port)
  server.on('error', (error) => onError(toStowageError(error)))
  let closing: Promise<void> | undefined
  server.on('request', (_, response) => {
    // A connection that is kept for the next request would keep the server.
    if (closing !== undefined) response.shouldKeepAlive = false
    response.once('close', () => closing !== undefined && server.closeIdleConnections())
  })
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    if (!(await atMost(clock, closeMs, closed))) server.closeAllConnections()
    await closed
  }
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    close: () => (closing ??= close()),
  }
}

/** What the app never got to see, such as a request for a host that is no name. */
function badRequest(thrown: unknown): Response {
  if ((thrown as Error | undefined)?.name !== 'RequestError') return problemOf(forStrangers(toStowageError(thrown)))
  return problemOf(new StowageError('invalid-request', 'The request has no valid host or path.', { cause: thrown }))
}

function begin(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException) => reject(whyNot(cause, host, port))
    server.once('error', failed).listen({ host, port }, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

function whyNot(cause: NodeJS.ErrnoException, host: string, port: number): StowageError {
  const wrong = (field: string, message: string, hint: string) =>
    new StowageError('configuration', message, { cause, field, hint })
  switch (cause.code) {
    case 'EADDRINUSE':
      return wrong('port', `Port ${port} of ${host} is in use.`, 'Choose another with --port, or 0 for any.')
    case 'EACCES':
      return wrong('port', `This user may not listen on port ${port}.`, 'Choose one from 1024 on with --port.')
    default:
      return wrong('host', `"${host}" cannot be listened on: ${cause.code ?? cause.message}.`, 'Choose another --host.')
  }
}
