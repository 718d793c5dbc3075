import { existsSync } from 'node:fs'
import { get } from 'node:https'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../tmp.ts'
import { freshBucket } from './bucket.ts'
import { minio, startMinio } from './minio.ts'
import { s3Request } from './signed.ts'
import { statusOf } from './start.ts'
import { withMinio } from './with.ts'

await withMinio((server) => {
  it('is one server for the whole run', async () => {
    expect(await minio()).toBe(server)
    expect(server.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it('makes a bucket and removes it with what is in it', async () => {
    const bucket = await freshBucket(server)
    const path = `/${bucket.name}/a key+with (odd) characters/é`
    expect((await s3Request(server, { method: 'PUT', path, body: 'hello' })).status).toBe(200)
    expect((await s3Request(server, { method: 'GET', path })).body).toBe('hello')
    await bucket.remove()
    expect((await s3Request(server, { method: 'HEAD', path: `/${bucket.name}` })).status).toBe(404)
  })

  describe("a test's own", () => {
    it('keeps its data, address and keys when it is killed and restarted', async () => {
      await using own = await startMinio()
      const { endpoint, pid } = own
      const bucket = await freshBucket(own)
      const path = `/${bucket.name}/key`
      await s3Request(own, { method: 'PUT', path, body: 'kept' })
      await own.kill()
      expect(await statusOf(`${endpoint}/minio/health/ready`)).toBe(0)
      await own.restart()
      expect(own.endpoint).toBe(endpoint)
      if (pid !== undefined) expect(own.pid).not.toBe(pid)
      expect((await s3Request(own, { method: 'GET', path })).body).toBe('kept')
      await bucket.remove()
    })

    it('leaves nothing when it is stopped', async () => {
      const own = await startMinio()
      await own.stop()
      expect(await statusOf(`${own.endpoint}/minio/health/ready`)).toBe(0)
      if (own.dataDir !== undefined) expect(existsSync(own.dataDir)).toBe(false)
    })

    it('serves HTTPS with a certificate that its ca verifies', async () => {
      await using own = await startMinio({ tls: true })
      expect(own.endpoint).toMatch(/^https:/)
      expect((await s3Request(own, { method: 'GET', path: '/' })).status).toBe(200)
      const trusting = await statusOf(`${own.endpoint.replace('127.0.0.1', 'localhost')}/minio/health/live`, own.ca)
      expect(trusting).toBe(200)
      const refused = new Promise((_, reject) => get(own.endpoint, { agent: false }).once('error', reject))
      await expect(refused).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    })
  })
})

it('gives a folder of its own to each who asks', () => {
  const [one, two] = [tempDir(), tempDir()]
  expect(one).not.toBe(two)
  expect(existsSync(one)).toBe(true)
})
