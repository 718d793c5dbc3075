import { createHash } from 'node:crypto'
import { readAll, systemClock } from '@stowage/core'
import { freshBucket, testSecret, withMinio } from '@stowage/test-support'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { minio } from '../../minio/index.ts'
import { Flow, Gate } from '../../shared/index.ts'
import { text } from '../../testing/bytes.ts'
import { type S3Options, s3Profile } from '../options.ts'
import { s3Dialect } from '../quirks.ts'
import { loadSdk } from '../sdk.ts'
import { prepareBody } from '../upload-body.ts'
import { type Address, resolveAddress } from './address.ts'
import { LeanPath } from './path.ts'

afterEach(() => vi.unstubAllEnvs())

const keys = { accessKeyId: 'key', secretAccessKey: testSecret('address') }

function resolve(options: Partial<S3Options>): Promise<Address | undefined> {
  const all: S3Options = { id: 'cloud', bucket: 'plain-bucket', ...options }
  return resolveAddress(all, s3Profile, async () => {
    const sdk = await loadSdk()
    const { region, endpoint, pathStyle } = all
    const client = new sdk.S3Client({
      region: region ?? 'us-east-1',
      credentials: keys,
      forcePathStyle: pathStyle ?? false,
      ...(endpoint === undefined ? {} : { endpoint }),
    })
    return { sdk, client }
  })
}

describe('the address of a bucket', () => {
  it.each<[Partial<S3Options>, string, string]>([
    [{ region: 'eu-central-1' }, 'https://plain-bucket.s3.eu-central-1.amazonaws.com', '/'],
    [{ region: 'cn-north-1' }, 'https://plain-bucket.s3.cn-north-1.amazonaws.com.cn', '/'],
    [{ bucket: 'with.dots' }, 'https://s3.us-east-1.amazonaws.com', '/with.dots'],
    [{ endpoint: 'https://store.lan:9000', pathStyle: true }, 'https://store.lan:9000', '/plain-bucket'],
    [{ endpoint: 'https://store.lan/base/', pathStyle: true }, 'https://store.lan', '/base/plain-bucket'],
    [{ endpoint: 'https://store.lan:9000', pathStyle: false }, 'https://plain-bucket.store.lan:9000', '/'],
    [{ endpoint: 'https://10.0.0.1:9000', pathStyle: false }, 'https://10.0.0.1:9000', '/plain-bucket'],
  ])('for %o is %s%s', async (options, origin, bucketPath) => {
    const found = await resolve(options)
    expect(found).toMatchObject({ origin, bucketPath, region: options.region ?? 'us-east-1', exposed: false })
    expect(found?.host).toBe(new URL(origin).host)
    expect(found?.root).toBe(bucketPath === '/' ? '/' : `${bucketPath}/`)
  })

  it('follows what the SDK reads from the environment', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'https://elsewhere.example')
    expect(await resolve({})).toMatchObject({ origin: 'https://plain-bucket.elsewhere.example' })
  })

  it('is left to the SDK for buckets with a signature of their own', async () => {
    expect(await resolve({ bucket: 'arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap' })).toBeUndefined()
  })

  it.each([
    ['http://127.0.0.1:9000', false],
    ['http://localhost', false],
    ['http://[::1]:9000', false],
    ['http://store.lan', true],
    ['https://store.lan', false],
  ])('%s is exposed: %s', async (endpoint, exposed) => {
    expect(await resolve({ endpoint, pathStyle: true })).toMatchObject({ exposed })
  })
})

await withMinio((server) => {
  it('signs the bytes themselves where somebody on the way could change them', async () => {
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey, region } = server
    const adapter = minio({ id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey })
    const address = await resolve({ endpoint, region, bucket: bucket.name, pathStyle: true })
    if (address === undefined) throw new Error('no address')
    const path = new LeanPath({
      address: { ...address, exposed: true },
      dialect: s3Dialect,
      credentials: () => ({ accessKeyId: accessKey, secretAccessKey: secretKey }),
      clock: systemClock,
      gate: new Gate({ id: 'lan' }),
      maxSockets: 1,
      connectTimeoutMs: 10_000,
      ca: undefined,
    })
    const bytes = text('signed')
    const flow = new Flow(60_000, () => new Error('silence'))
    const body = await prepareBody(adapter, bytes, { key: 'key', size: bytes.length })
    const put = async (sent: Uint8Array): Promise<string | undefined> =>
      (await path.put('key', { ...body, open: () => sent }, { headers: {} }, flow)).ETag
    expect(await put(bytes)).toBe(`"${createHash('md5').update(bytes).digest('hex')}"`)
    // The same length, so that only the signature can tell.
    await expect(put(text('forged'))).rejects.toMatchObject({ name: expect.stringMatching(/SHA256Mismatch|BadDigest/) })
    expect(String(Buffer.from(await readAll((await adapter.get('key')).body, 100)))).toBe('signed')
    flow.over()
    await path.close()
    await adapter.close()
  })
})
