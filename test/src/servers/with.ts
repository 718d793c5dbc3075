import { describe, it } from 'vitest'
import { minio } from './minio.ts'
import { rustfs } from './rustfs.ts'
import { ServerUnavailable, type TestServer } from './server.ts'

type Body = (server: TestServer) => void | Promise<void>

async function withServer(name: string, get: () => Promise<TestServer>, required: boolean, body: Body): Promise<void> {
  let server: TestServer
  try {
    server = await get()
  } catch (error) {
    if (!(error instanceof ServerUnavailable)) throw error
    const { message } = error
    it(`needs ${name}`, ({ skip }) => {
      if (required && process.env['CI'] === 'true') throw error
      skip(message)
    })
    return
  }
  describe(name, () => body(server))
}

/**
 * Defines tests on the shared MinIO. Where there is none they are skipped with the reason; with `CI=true` that fails.
 *
 * @example
 * await withMinio((server) => {
 *   it('puts', async () => {
 *     const bucket = await freshBucket(server)
 *   })
 * })
 */
export function withMinio(body: Body): Promise<void> {
  return withServer('minio', minio, true, body)
}

/** Defines tests on the shared RustFS. Where there is none they are skipped with the reason. */
export function withRustfs(body: Body): Promise<void> {
  return withServer('rustfs', rustfs, false, body)
}
