import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that counts requests, and refuses them. */
export interface CountingServer extends AsyncDisposable {
  readonly endpoint: string
  readonly requests: () => number
}

/** Starts one on a free port of this machine. `host` is a name that leads here. */
export async function countRequests(host = '127.0.0.1'): Promise<CountingServer> {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    request.resume()
    response.writeHead(400, { connection: 'close' })
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://${host}:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
