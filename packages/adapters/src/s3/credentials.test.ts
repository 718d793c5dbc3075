import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expectCode } from '@stowage/core/testing'
import { freshBucket, tempDir, testSecret, withMinio } from '@stowage/test-support'
import { describe, expect, it, vi } from 'vitest'
import { minio } from '../minio/index.ts'
import { text } from '../testing/bytes.ts'
import { scripted } from '../testing/scripted-server.ts'
import { type S3Options, s3 } from './index.ts'

const readOnly = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: ['arn:aws:s3:::*'] }],
})

await withMinio((server) => {
  describe.each(['lean', 'sdk'] as const)('by the data path %s', (dataPath) => {
    it('works as a role, with no more rights than that has', async () => {
      const bucket = (await freshBucket(server)).name
      const own = minio({ ...server, id: 'own', bucket })
      await own.put('k', text('hello'))
      const assumeRole = { roleArn: 'arn:aws:iam::123456789012:role/reader', sessionName: 'test', policy: readOnly }
      const lan = minio({ ...server, id: 'lan', bucket, dataPath, assumeRole })
      expect((await lan.head('k')).size).toBe(5)
      await Promise.all(Array.from({ length: 20 }, () => lan.head('k')))
      await expectCode(lan.put('k2', text('x')), 'access-denied')
      // It ends when the role's credentials end.
      const { expiresAt } = await lan.presign({ method: 'get', key: 'k', expiresIn: 600_000 })
      expect(expiresAt - Date.now()).toBeLessThan(3_700_000)
      await lan.close()
      const wrong = minio({ ...server, secretKey: testSecret('wrong'), id: 'lan', bucket, dataPath, assumeRole })
      const error = await expectCode(wrong.head('k'), 'access-denied')
      expect(inspect(error, { depth: null })).not.toContain('wrong-wrong')
      await wrong.close()
      await own.close()
    })

    it('takes credentials from a function, and new ones before the old end', async () => {
      const bucket = (await freshBucket(server)).name
      const { endpoint, accessKey, secretKey } = server
      let asked = 0
      let lasting = 3_600_000
      const credentials = () => {
        asked++
        return { accessKey, secretKey, expiresAt: Date.now() + lasting }
      }
      const lan = minio({ id: 'lan', endpoint, bucket, dataPath, credentials })
      await lan.put('k', text('x'))
      await Promise.all(Array.from({ length: 20 }, () => lan.head('k')))
      expect(asked).toBe(1)
      await lan.close()
      lasting = 60_000
      const soon = minio({ id: 'lan', endpoint, bucket, dataPath, credentials })
      await soon.head('k')
      await soon.head('k')
      expect(asked).toBeGreaterThan(2)
      await soon.close()
      for (const [give, retryable] of [
        [() => Promise.reject(new Error(`it said ${secretKey}`)), true],
        [() => ({ accessKey, secretKey: '' }), false],
      ] as const) {
        const broken = minio({ id: 'lan', endpoint, bucket, dataPath, attempts: 1, credentials: give })
        const error = await expectCode(broken.head('k'), 'access-denied')
        expect(error.retryable).toBe(retryable)
        expect(inspect(error, { depth: null })).not.toContain(secretKey)
        await broken.close()
      }
    })
  })
})

it('finds keys where the SDK always looks: in the environment, and in profiles', async () => {
  const seen: string[] = []
  const answer: Parameters<typeof scripted>[0] = (request, response) => {
    seen.push(/Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '')
    response.writeHead(200, { etag: '"e"', 'content-length': '1', 'last-modified': new Date().toUTCString() }).end()
  }
  const without = ({ accessKey: _, secretKey: __, ...options }: S3Options & { endpoint: string }) => s3(options)
  const file = join(tempDir('aws'), 'credentials')
  writeFileSync(file, `[default]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = ${testSecret('profile')}\n`)
  try {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'FROMENV')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', testSecret('environment'))
    await (await scripted(answer, {}, without)).adapter.head('k')
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file)
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    await (await scripted(answer, {}, without)).adapter.head('k')
  } finally {
    vi.unstubAllEnvs()
  }
  expect(seen).toEqual(['FROMENV', 'FROMPROFILE'])
})
