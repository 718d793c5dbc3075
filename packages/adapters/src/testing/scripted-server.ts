import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { StorageAdapter } from '@stowage/core'
import { markedSecret } from '@stowage/core/testing'
import { onTestFinished } from 'vitest'
import { minio } from '../minio/index.ts'
import type { S3Options } from '../s3/index.ts'

/** How the server answers one request. `index` counts requests from 0. */
export type Answer = (request: IncomingMessage, response: ServerResponse, index: number) => void | Promise<void>

/** A server that does what a test says, an adapter for it, and what happened. */
export interface Scripted {
  adapter: StorageAdapter
  /** `METHOD path` of each request. */
  requests: string[]
  /** Milliseconds of each wait between attempts. */
  waits: number[]
  /** Connections that are open. */
  sockets: Set<Socket>
}

/** Makes the adapter for the server's address. */
export type Create = (options: S3Options & { endpoint: string }) => StorageAdapter

/** Starts a server for one test. Waits between attempts are noted and take no time. */
export async function scripted(
  answer: Answer,
  options: Partial<S3Options> = {},
  create: Create = minio,
): Promise<Scripted> {
  const requests: string[] = []
  const waits: number[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const index = requests.length
    requests.push(`${request.method} ${request.url}`)
    void answer(request, response, index)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const clock = {
    now: () => Date.now(),
    // A probe's deadline is a wait too, one that must not end at once.
    sleep: (ms: number, signal?: AbortSignal) => {
      if (signal !== undefined) return new Promise<void>(() => {})
      waits.push(ms)
      return Promise.resolve()
    },
  }
  const adapter = create({
    id: 'lan',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket: 'bucket',
    accessKey: 'key',
    secretKey: markedSecret('scripted'),
    clock,
    random: { next: () => 0.5, id: () => 'id' },
    ...options,
  })
  onTestFinished(async () => {
    await adapter.close()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { adapter, requests, waits, sockets }
}

/** Reads a request's body to its end. */
export async function drain(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await request.toArray())
}

/** Answers with an error as S3 writes it. */
export function fail(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/xml', ...headers })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`)
}

/** A page of a listing. */
export function listing(keys: readonly string[], more?: { token?: string }): string {
  const contents = keys.map(
    (key) =>
      `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`,
  )
  const token = more?.token === undefined ? '' : `<NextContinuationToken>${more.token}</NextContinuationToken>`
  return `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>${keys.length}</KeyCount><IsTruncated>${more !== undefined}</IsTruncated>${token}<EncodingType>url</EncodingType>${contents.join('')}</ListBucketResult>`
}
