import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Serves a function from `Request` to `Response` on a free port of this machine; packages such as `@hono/node-server` do it for good. */
export async function serve(
  handler: (request: Request) => Promise<Response>,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = createServer(async (incoming, outgoing) => {
    try {
      const { method = 'GET', url, headers } = incoming
      const request = new Request(`http://${headers.host}${url}`, {
        method,
        headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
        ...(method === 'GET' || method === 'HEAD' ? {} : { body: Readable.toWeb(incoming), duplex: 'half' }),
      } as RequestInit)
      const response = await handler(request)
      outgoing.writeHead(response.status, Object.fromEntries(response.headers))
      await pipeline(Readable.from(response.body ?? []), outgoing)
    } catch {
      outgoing.destroy()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${port}`, stop }
}
