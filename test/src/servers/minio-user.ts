/** Users of MinIO, by its admin API, whose bodies are encrypted with the caller's secret key. */
import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { testSecret } from '../secrets/marker.ts'
import type { TestServer } from './server.ts'
import { s3Request } from './signed.ts'

/** Marks a key that was derived by PBKDF2 (8192 rounds of SHA-256), for AES-256-GCM: https://github.com/minio/madmin-go, encrypt.go */
const pbkdf2Aes = 2

/** What a user may do, as IAM writes it. */
export interface MinioPolicy {
  readonly Version: '2012-10-17'
  readonly Statement: readonly {
    readonly Effect: 'Allow' | 'Deny'
    readonly Action: readonly string[]
    readonly Resource: readonly string[]
  }[]
}

/** Makes a policy, or replaces the one of that name: it holds from the next request of its users on. */
export async function setMinioPolicy(server: TestServer, name: string, policy: MinioPolicy): Promise<void> {
  await succeed(server, '/minio/admin/v3/add-canned-policy', { name }, Buffer.from(JSON.stringify(policy)))
}

/**
 * Makes a user with a policy of MinIO's own, such as `readwrite`, or one that {@link setMinioPolicy} made. It may ask for temporary
 * credentials, which root may not.
 * @returns the same server, with the user's keys
 */
export async function createMinioUser(server: TestServer, policyName = 'readwrite'): Promise<TestServer> {
  const keys = {
    accessKey: `user-${randomBytes(6).toString('hex')}`,
    secretKey: testSecret(`user-${randomBytes(6).toString('hex')}`),
  }
  const body = encrypt(server.secretKey, JSON.stringify({ secretKey: keys.secretKey, status: 'enabled' }))
  await succeed(server, '/minio/admin/v3/add-user', { accessKey: keys.accessKey }, body)
  const attach = { policyName, userOrGroup: keys.accessKey, isGroup: 'false' }
  await succeed(server, '/minio/admin/v3/set-user-or-group-policy', attach)
  return { ...server, ...keys }
}

async function succeed(
  server: TestServer,
  path: string,
  query: Record<string, string>,
  body?: Uint8Array,
): Promise<void> {
  for (let left = 50; ; left--) {
    const answer = await s3Request(server, { method: 'PUT', path, query, ...(body === undefined ? {} : { body }) })
    if (answer.status < 300) return
    // Its users come a moment after its objects: "Server not initialized yet".
    if (answer.status !== 503 || left === 0) throw new Error(`${path}: ${answer.status} ${answer.body}`)
    await setTimeout(100)
  }
}

/** Salt, kind, nonce, and one sealed fragment as https://github.com/secure-io/sio-go writes the last one of a stream. */
function encrypt(password: string, text: string): Buffer {
  const [salt, nonce] = [randomBytes(32), randomBytes(8)]
  const key = pbkdf2Sync(password, salt, 8192, 32, 'sha256')
  const seal = (sequence: number, plain: Buffer, associated: Buffer): Buffer => {
    const counter = Buffer.alloc(4)
    counter.writeUInt32LE(sequence)
    const cipher = createCipheriv('aes-256-gcm', key, Buffer.concat([nonce, counter])).setAAD(associated)
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }
  const tag = seal(0, Buffer.alloc(0), Buffer.alloc(0))
  const sealed = seal(1, Buffer.from(text), Buffer.concat([Buffer.of(0x80), tag]))
  return Buffer.concat([salt, Buffer.of(pbkdf2Aes), nonce, sealed])
}
