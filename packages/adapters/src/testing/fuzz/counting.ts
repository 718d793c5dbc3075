import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that counts requests, and refuses them. */
export interface CountingServer extends AsyncDisposable {
  readonly endpoint: string
  readonly requests: () => number
  /** Whether a request came for an object of this name. */
  readonly asked: (name: string) => boolean
}

/** Starts one on a free port of this machine. `host` is a name that leads here. */
export async function countRequests(host = '127.0.0.1'): Promise<CountingServer> {
  let requests = 0
  const names = new Set<string>()
  const server = createServer((request, response) => {
    requests++
    names.add(request.url?.replace(/\?.*/s, '').split('/').at(-1) ?? '')
    // Once all of it is here, so that the connection serves others too.
    request.resume().once('end', () => response.writeHead(400).end())
  })
  // A connection that is closed while the next request is on its way would fail it.
  server.keepAliveTimeout = 600_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://${host}:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    asked: (name) => names.has(name),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
