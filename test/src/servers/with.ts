import { describe, it } from 'vitest'
import { minio } from './minio.ts'
import { type PostgresServer, postgres } from './postgres.ts'
import { type RedisServer, redis } from './redis.ts'
import { rustfs } from './rustfs.ts'
import { ServerUnavailable, type TestServer } from './server.ts'

type Body<T> = (server: T) => void | Promise<void>

async function withServer<T>(name: string, get: () => Promise<T>, required: boolean, body: Body<T>): Promise<void> {
  let server: T
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
export function withMinio(body: Body<TestServer>): Promise<void> {
  return withServer('minio', minio, true, body)
}

/** Defines tests on the shared RustFS. Where there is none they are skipped with the reason. */
export function withRustfs(body: Body<TestServer>): Promise<void> {
  return withServer('rustfs', rustfs, false, body)
}

/** Defines tests on the shared PostgreSQL. Where there is none they are skipped with the reason; with `CI=true` that fails. */
export function withPostgres(body: Body<PostgresServer>): Promise<void> {
  return withServer('postgres', postgres, true, body)
}

/** Defines tests on the shared Redis. Where there is none they are skipped with the reason; with `CI=true` that fails. */
export function withRedis(body: Body<RedisServer>): Promise<void> {
  return withServer('redis', redis, true, body)
}
