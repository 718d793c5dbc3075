import { inspect } from 'node:util'
import { systemClock } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { resolveLocalhost, startOssDouble, testSecret } from '@stowage/test-support'
import AliOss from 'ali-oss'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { patternBytes, readBytes, streamOf, text } from '../testing/bytes.ts'
import { decodeMetadataName, encodeMetadataName } from './headers.ts'
import { type OssOptions, oss } from './index.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

const mebibyte = 1024 * 1024
/** Waits between attempts take no time, and are noted. */
function noWaits(): { clock: OssOptions['clock'] & object; waits: number[] } {
  const waits: number[] = []
  const sleep = async (ms: number): Promise<void> => void waits.push(ms)
  return { clock: { now: () => Date.now(), sleep }, waits }
}

function start(options: Partial<OssOptions> = {}) {
  const { endpoint, region, accessKey, secretKey } = double
  const bucket = double.createBucket()
  const keys = options.credentials === undefined ? { accessKey, secretKey } : {}
  const adapter = oss({ id: 'cloud', endpoint, region, bucket, clock: noWaits().clock, ...keys, ...options })
  onTestFinished(() => adapter.close())
  return { adapter, bucket }
}

describe('bytes on their way', () => {
  it('are held against the CRC64 of the store: a changed write leaves no object', async () => {
    const { adapter, bucket } = start()
    const bytes = patternBytes(9 * mebibyte)
    double.inject({ match: ({ method }) => method === 'PUT', fault: 'flipped' })
    const error = await expectCode(adapter.put('large', streamOf(bytes), { size: bytes.length }), 'integrity')
    expect(error.message).toContain('It was deleted again.')
    expect(double.bucket(bucket).keys()).toEqual([])
  })

  it('are announced by their MD5 where nothing else guards them: the store refuses what was changed', async () => {
    const { adapter, bucket } = start({ attempts: 1 })
    double.inject({ match: ({ method }) => method === 'PUT', fault: 'flipped' })
    await expectCode(adapter.put('small', text('bytes')), 'integrity')
    expect(double.bucket(bucket).keys()).toEqual([])
    const again = start()
    double.inject({ match: ({ method }) => method === 'PUT', fault: 'flipped' })
    await again.adapter.put('small', text('bytes'))
    expect((await readBytes(again.adapter, 'small')).toString()).toBe('bytes')
  })

  it('are held against the CRC64 of the object when they are read', async () => {
    const { adapter } = start()
    await adapter.put('a', patternBytes(100_000))
    double.inject({ match: ({ method }) => method === 'GET', fault: 'flipped' })
    const { body } = await adapter.get('a')
    await expectCode(body.toArray(), 'integrity')
    double.inject({ match: ({ method }) => method === 'GET', fault: 'truncated' })
    const cut = await adapter.get('a')
    await expectCode(cut.body.toArray(), 'integrity')
  })

  it('of a part are held against it too, and of all parts together', async () => {
    const { adapter, bucket } = start()
    const { uploadId } = await adapter.multipart.create('a')
    const bytes = patternBytes(9 * mebibyte)
    double.inject({ match: ({ method }) => method === 'PUT', fault: 'flipped' })
    const changed = adapter.multipart.uploadPart('a', uploadId, 1, streamOf(bytes), { size: bytes.length })
    await expectCode(changed, 'integrity')
    const part = await adapter.multipart.uploadPart('a', uploadId, 1, bytes)
    expect(part.checksum?.algorithm).toBe('crc64ecma')
    const other = { ...part, checksum: { algorithm: 'crc64ecma', value: 'AAAAAAAAAAA=' } } as const
    await expectCode(adapter.multipart.complete('a', uploadId, [other]), 'integrity')
    expect(double.bucket(bucket).keys()).toEqual([])
  })

  it('are as many as the parts have, also when a range of a source was not within it', async () => {
    const { adapter, bucket } = start()
    await adapter.put('source', patternBytes(1000))
    const { uploadId } = await adapter.multipart.create('a')
    const part = await adapter.multipart.uploadPartCopy('a', uploadId, 1, 'source', {
      range: { start: 900, length: 200 },
    })
    expect(part.size).toBe(200)
    const { checksum: _, ...unknown } = part
    await expectCode(adapter.multipart.complete('a', uploadId, [unknown]), 'integrity')
    expect(double.bucket(bucket).keys()).toEqual(['source'])
  })
})

describe('answers that are lost', () => {
  it('do not make a create-only write fail on its own object: it is not sent again', async () => {
    const { adapter, bucket } = start()
    await adapter.put('first', text('x'), { ifNoneMatch: '*' })
    const before = double.seen.length
    double.inject({ match: ({ method, key }) => method === 'PUT' && key === 'a', fault: 'lost-answer' })
    await expectCode(adapter.put('a', text('x'), { ifNoneMatch: '*' }), 'unavailable')
    expect(double.seen.length - before).toBe(1)
    expect(double.bucket(bucket).keys()).toEqual(['a', 'first'])
  })

  it('to a completion are told from the object', async () => {
    const { adapter } = start()
    const { uploadId } = await adapter.multipart.create('a')
    const parts = [
      await adapter.multipart.uploadPart('a', uploadId, 1, patternBytes(150_000)),
      await adapter.multipart.uploadPart('a', uploadId, 2, patternBytes(1000)),
    ]
    double.inject({ match: ({ method }) => method === 'POST', fault: 'lost-answer' })
    const { etag } = await adapter.multipart.complete('a', uploadId, parts)
    expect((await adapter.head('a')).etag).toBe(etag)
  })

  it('to other calls make them be sent again, as often and as late as the store asks', async () => {
    const { clock, waits } = noWaits()
    const { adapter } = start({ clock })
    await adapter.put('a', text('x'))
    double.inject({ fault: 'reset' })
    double.inject({ fault: { error: 'QpsLimitExceeded', headers: { 'retry-after': '3' } } })
    expect((await adapter.head('a')).size).toBe(1)
    expect(waits.length).toBe(2)
    expect(waits[1]).toBe(3000)
    double.inject({ times: 3, fault: { error: 'InternalError' } })
    await expectCode(adapter.head('a'), 'unavailable')
  })
})

describe('credentials', () => {
  it('of STS are renewed before they end, once for all who wait', async () => {
    let now = Date.now()
    let asked = 0
    const local = await startOssDouble({ now: () => now })
    onTestFinished(() => local.stop())
    const bucket = local.createBucket()
    const { adapter } = start({
      endpoint: local.endpoint,
      bucket,
      clock: { ...systemClock, now: () => now },
      credentials: async () => {
        asked++
        return local.issueCredentials(3_600_000)
      },
    })
    await Promise.all(['a', 'b', 'c'].map((key) => adapter.put(key, text(key))))
    expect(asked).toBe(1)
    now += 54 * 60_000
    await adapter.head('a')
    expect(asked).toBe(1)
    now += 2 * 60_000
    await Promise.all(['a', 'b', 'c'].map((key) => adapter.head(key)))
    expect(asked).toBe(2)
    now += 10 * 3_600_000
    await adapter.head('a')
    expect(asked).toBe(3)
  })

  it('that are near their end serve on when no new ones are given, and are not asked for at every call', async () => {
    let now = Date.now()
    let asked = 0
    const local = await startOssDouble({ now: () => now })
    onTestFinished(() => local.stop())
    const { adapter } = start({
      endpoint: local.endpoint,
      bucket: local.createBucket(),
      clock: { ...systemClock, now: () => now },
      credentials: () => {
        asked++
        if (asked > 1) throw new Error('no more')
        return local.issueCredentials(3_600_000)
      },
    })
    await adapter.put('a', text('a'))
    now += 57 * 60_000
    for (let i = 0; i < 5; i++) await adapter.head('a')
    expect(asked).toBe(2)
    now += 11_000
    await adapter.head('a')
    expect(asked).toBe(3)
    now += 3 * 60_000
    await expectCode(adapter.head('a'), 'access-denied')
  })

  it('that the store refuses are asked for again, once', async () => {
    let expired = true
    const { adapter } = start({
      credentials: () => {
        const { expiresAt: _, ...credentials } = double.issueCredentials(expired ? -1 : 3_600_000)
        expired = false
        return credentials
      },
    })
    await adapter.put('a', text('x'))
    const always = start({
      credentials: () => {
        const { expiresAt: _, ...credentials } = double.issueCredentials(-1)
        return credentials
      },
    })
    const error = await expectCode(always.adapter.put('a', text('x')), 'access-denied')
    expect(error.message).toContain('token has expired')
  })

  it('that cannot be had are told without what the provider said', async () => {
    const { adapter } = start({
      credentials: () => {
        throw new Error('secret-of-the-provider')
      },
    })
    const error = await expectCode(adapter.head('a'), 'access-denied')
    expect(inspect(error, { depth: 10 })).not.toContain('secret-of-the-provider')
  })

  it('sign no URL that outlives them', async () => {
    const credentials = double.issueCredentials(600_000)
    const { adapter } = start({ credentials: () => credentials })
    const { expiresAt, url } = await adapter.presign({ method: 'get', key: 'a', expiresIn: 3600 })
    expect(expiresAt).toBeLessThanOrEqual(credentials.expiresAt)
    expect(new URL(url).searchParams.get('x-oss-expires')).toMatch(/^(600|59\d)$/)
    const past = start({ credentials: () => ({ ...credentials, expiresAt: Date.now() }) })
    await expectCode(past.adapter.presign({ method: 'get', key: 'a', expiresIn: 60 }), 'access-denied')
  })

  it.each(['v1', 'v4'] as const)('with a token sign headers and URLs of version %s', async (signatureVersion) => {
    const { adapter } = start({ credentials: () => double.issueCredentials(3_600_000), signatureVersion })
    await adapter.put('a', text('x'), { ifNoneMatch: '*' })
    const { url } = await adapter.presign({ method: 'get', key: 'a', expiresIn: 60 })
    expect(await (await fetch(url)).text()).toBe('x')
  })
})

describe('presigned writes', () => {
  it.each(['v1', 'v4'] as const)('of version %s create only, and copy nothing', async (signatureVersion) => {
    const { adapter, bucket } = start({ signatureVersion })
    await adapter.put('private', text('not for uploaders'))
    const put = await adapter.presign({ method: 'put', key: 'upload', expiresIn: 60 })
    const { uploadId } = await adapter.multipart.create('large')
    const part = await adapter.presign({ method: 'part', key: 'large', uploadId, partNumber: 1, expiresIn: 60 })
    const source = { 'x-oss-copy-source': `/${bucket}/private` }
    for (const { url, method, headers } of [put, part]) {
      expect((await fetch(url, { method, headers: { ...headers, ...source } })).status).toBe(403)
    }
    const { 'x-oss-forbid-overwrite': _, ...unconditional } = put.headers
    expect((await fetch(put.url, { method: 'PUT', headers: unconditional, body: 'x' })).status).toBe(403)
    expect((await fetch(put.url, { method: 'PUT', headers: put.headers, body: 'x' })).status).toBe(200)
    expect((await fetch(put.url, { method: 'PUT', headers: put.headers, body: 'y' })).status).toBe(409)
    expect((await readBytes(adapter, 'upload')).toString()).toBe('x')
  })
})

describe('addresses', () => {
  it('may be custom domains, which stand for the bucket', async () => {
    const bucket = double.createBucket()
    double.bindDomain('data.localhost', bucket)
    const { adapter } = start({ endpoint: `http://data.localhost:${double.port}`, cname: true, bucket })
    await adapter.put('a', text('x'), { ifNoneMatch: '*' })
    expect(double.bucket(bucket).keys()).toEqual(['a'])
    const { url } = await adapter.presign({ method: 'get', key: 'a', expiresIn: 60 })
    expect(url).toContain('http://data.localhost:')
    expect(await (await fetch(url)).text()).toBe('x')
  })

  it('may be internal or accelerating ones', async () => {
    for (const name of ['oss-cn-hangzhou-internal', 'oss-accelerate']) {
      const { adapter, bucket } = start({ endpoint: `http://${name}.localhost:${double.port}` })
      await adapter.put('a', text('x'))
      expect(double.seen.at(-1)?.host).toBe(`${bucket}.${name}.localhost`)
    }
  })

  it('tell the region by their name, or miss it', () => {
    const keys = { id: 'a', bucket: 'bucket', accessKey: 'k', secretKey: testSecret('keys') }
    expect(() => oss({ ...keys, endpoint: 'https://oss-cn-hangzhou-internal.aliyuncs.com' })).not.toThrow()
    for (const endpoint of ['https://oss-accelerate.aliyuncs.com', 'https://files.example']) {
      expect(() => oss({ ...keys, endpoint })).toThrow(/region is missing/)
      expect(() => oss({ ...keys, endpoint, signatureVersion: 'v1' })).not.toThrow()
    }
    for (const wrong of [
      { bucket: 'Not_A_Bucket' },
      { region: 'cn/x' },
      { region: 'cn-hangzhou', endpoint: 'https://a.example/path' },
      { region: 'cn-hangzhou', cname: true },
      { region: 'cn-hangzhou', endpoint: 'http://oss.example' },
    ]) {
      expect(() => oss({ ...keys, ...wrong })).toThrow(/bucket|region|endpoint/)
    }
  })

  it('of another region are named as the reason', async () => {
    const { adapter } = start({ region: 'cn-beijing' })
    expect((await expectCode(adapter.head('a'), 'configuration')).hint).toContain('region')
  })
})

describe('errors', () => {
  it('name the request, and quote nothing that was signed', async () => {
    const { adapter } = start({ secretKey: testSecret('wrong') })
    const error = await expectCode(adapter.get('a'), 'access-denied')
    expect(error.message).toMatch(/the signature is wrong \(request [0-9A-F]{24}\)\.$/)
    expect(inspect(error, { depth: 10 })).not.toMatch(/OSS4-HMAC|UNSIGNED-PAYLOAD|aliyun_v4/)
  })

  it('tell of a clock that is wrong', async () => {
    const past = { ...systemClock, now: () => Date.now() - 3_600_000 }
    for (const signatureVersion of ['v1', 'v4'] as const) {
      const { adapter } = start({ clock: past, signatureVersion })
      const error = await expectCode(adapter.head('a'), 'access-denied')
      expect(error.message).toContain('clock')
    }
  })
})

describe('together with ali-oss', () => {
  it('each reads what the other wrote', async () => {
    const { adapter, bucket } = start()
    const client = new AliOss({
      accessKeyId: double.accessKey,
      accessKeySecret: double.secretKey,
      bucket,
      endpoint: double.endpoint,
      region: `oss-${double.region}`,
      cname: false,
      authorizationV4: true,
      amendTimeSkewed: 0,
    })
    const bytes = patternBytes(300_000)
    await client.put('theirs/ü +%.bin', Buffer.from(bytes), { mime: 'text/x-own', meta: { of: 'them' } })
    expect(await adapter.head('theirs/ü +%.bin')).toMatchObject({ contentType: 'text/x-own', metadata: { of: 'them' } })
    expect((await readBytes(adapter, 'theirs/ü +%.bin')).equals(bytes)).toBe(true)
    await adapter.put('ours/ü +%.bin', bytes, { metadata: { of: 'us' } })
    expect((await client.get('ours/ü +%.bin')).content.equals(bytes)).toBe(true)
    expect((await client.head('ours/ü +%.bin')).meta).toEqual({ of: 'us' })
    await client.multipartUpload('theirs/large', Buffer.from(bytes), { partSize: 128 * 1024 })
    expect((await readBytes(adapter, 'theirs/large')).equals(bytes)).toBe(true)
    const { objects } = await client.listV2({ 'max-keys': '10' })
    expect(objects.map(({ name }) => name)).toEqual(['ours/ü +%.bin', 'theirs/large', 'theirs/ü +%.bin'])
    const { url } = await adapter.presign({ method: 'get', key: 'theirs/large', expiresIn: 60 })
    expect((await fetch(url)).status).toBe(200)
  })
})

describe('metadata names', () => {
  it.each(['plain', 'two-words', 'dot.ted', 'under_score', '-edge-', 'a--b', 'a---b', 'x--5f', '*', "it's"])(
    'are sent as letters, digits and hyphens: %s',
    (name) => {
      const encoded = encodeMetadataName(name)
      expect(encoded).toMatch(/^[a-z0-9-]+$/)
      expect(decodeMetadataName(encoded)).toBe(name)
    },
  )

  it('that are plain stay plain', () => {
    expect(encodeMetadataName('two-words')).toBe('two-words')
  })
})
