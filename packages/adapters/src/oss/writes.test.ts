import { expectCode } from '@stowage/core/testing'
import { resolveLocalhost, startOssDouble } from '@stowage/test-support'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { crc32Of, exists, keysOf, patternBytes, readBytes, streamOf, text } from '../testing/bytes.ts'
import { type OssOptions, oss } from './index.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

const mebibyte = 1024 * 1024

function start(options: Partial<OssOptions> = {}) {
  const { endpoint, region, accessKey, secretKey } = double
  const bucket = double.createBucket()
  const clock = { now: () => Date.now(), sleep: async () => {} }
  const adapter = oss({ id: 'cloud', endpoint, region, bucket, accessKey, secretKey, clock, ...options })
  onTestFinished(() => adapter.close())
  return { adapter, bucket }
}

/** What came since, as methods with the parameters that name the call. */
function calls(since: number): string[] {
  return double.seen.slice(since).map(({ method, query }) => {
    const name = ['uploads', 'uploadId', 'tagging'].find((one) => query.has(one))
    return name === undefined ? method : `${method} ${name}`
  })
}

describe('storage classes', () => {
  it.each(['Standard', 'IA', 'Archive', 'ColdArchive'])(
    'of the name %s are written, and told',
    async (storageClass) => {
      const { adapter } = start()
      await adapter.put('put', text('x'), { storageClass })
      const { uploadId } = await adapter.multipart.create('parts', { storageClass })
      await adapter.multipart.complete('parts', uploadId, [
        await adapter.multipart.uploadPart('parts', uploadId, 1, text('x')),
      ])
      for (const key of ['put', 'parts']) {
        const info = await adapter.head(key)
        expect(info.storageClass).toBe(storageClass)
        expect(info.archived ?? false).toBe(storageClass.endsWith('Archive'))
      }
      for await (const { objects } of adapter.list()) {
        expect(objects.map((object) => object.storageClass)).toEqual([storageClass, storageClass])
      }
    },
  )

  it('of other names are refused before a byte is sent', async () => {
    const { adapter } = start()
    const before = double.seen.length
    const error = await expectCode(adapter.put('a', text('x'), { storageClass: 'STANDARD_IA' }), 'invalid-request')
    expect(error).toMatchObject({ field: 'storageClass', hint: expect.stringContaining('IA, Archive') })
    expect(double.seen.length).toBe(before)
  })
})

describe('tags', () => {
  it.each([
    ['eleven', Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`t${i}`, 'x']))],
    ['a name that is empty', { '': 'x' }],
    ['a name that is too long', { ['n'.repeat(129)]: 'x' }],
    ['a value that is too long', { a: 'v'.repeat(257) }],
    ['characters that OSS does not name', { a: 'größe' }],
    ['an at sign', { a: 'x@y' }],
  ])('%s are refused before a byte is sent', async (_, tags) => {
    const { adapter } = start()
    const before = double.seen.length
    await expectCode(adapter.put('a', text('x'), { tags }), 'invalid-request')
    expect(double.seen.length).toBe(before)
  })

  it('of an older version are told, and conditions hold', async () => {
    const { adapter, bucket } = start({ versioned: true })
    double.bucket(bucket).versioning = 'Enabled'
    const { versionId = '', etag } = await adapter.put('a', text('x'), { tags: { of: 'first' } })
    await adapter.put('a', text('y'), { tags: { of: 'second' } })
    expect(await adapter.getTags('a', { versionId })).toEqual({ of: 'first' })
    expect(await adapter.getTags('a')).toEqual({ of: 'second' })
    await expectCode(adapter.getTags('a', { ifMatch: etag }), 'precondition-failed')
  })
})

describe('encryption', () => {
  it('is asked for by every write, and by copies', async () => {
    const { adapter } = start({ encryption: { type: 'sse-kms', keyId: 'key-1' } })
    expect(adapter.capabilities.etagIsMd5).toBe(false)
    const before = double.seen.length
    await adapter.put('a', text('x'))
    await adapter.copy('a', 'b')
    await adapter.copy('a', 'c', { headers: 'replace', contentType: 'text/x-own' })
    const { uploadId } = await adapter.multipart.create('d')
    await adapter.multipart.abort('d', uploadId)
    const asked = double.seen
      .slice(before)
      .filter(({ method, query }) => method === 'PUT' || query.has('uploads'))
      .map(({ headers }) => [headers['x-oss-server-side-encryption'], headers['x-oss-server-side-encryption-key-id']])
    expect(asked).toEqual(Array.from({ length: 4 }, () => ['KMS', 'key-1']))
    expect((await readBytes(adapter, 'b')).toString()).toBe('x')
    const { url, headers, method } = await adapter.presign({ method: 'put', key: 'e', expiresIn: 60 })
    const { 'x-oss-server-side-encryption': _, ...plain } = headers
    expect((await fetch(url, { method, headers: plain, body: 'x' })).status).toBe(403)
    expect((await fetch(url, { method, headers, body: 'x' })).status).toBe(200)
    const own = start({ encryption: { type: 'sse-oss' } })
    expect(own.adapter.capabilities.etagIsMd5).toBe(true)
    await own.adapter.put('a', text('x'))
    expect(double.seen.at(-1)?.headers['x-oss-server-side-encryption']).toBe('AES256')
  })

  it.each([
    [{ type: 'sse-s3' }, 'encryption.type'],
    [{ type: 'sse-oss', keyId: 'k' }, 'encryption.keyId'],
    [{ type: 'sse-kms', keyId: 'a b' }, 'encryption.keyId'],
    [{ type: 'sse-kms', context: {} }, 'encryption.context'],
  ])('of the kind %j is refused', (encryption, field) => {
    expect(() => start({ encryption: encryption as never })).toThrow(expect.objectContaining({ field }))
  })
})

describe('requesters', () => {
  it.each(['v4', 'v1'] as const)('pay where they say so, with signatures of version %s', async (signatureVersion) => {
    const { adapter, bucket } = start({ requestPayer: true, signatureVersion })
    double.bucket(bucket).requesterPays = true
    const { accessKey, secretKey, endpoint, region } = double
    const mean = oss({ id: 'mean', endpoint, region, bucket, accessKey, secretKey, signatureVersion })
    onTestFinished(() => mean.close())
    await expectCode(mean.put('a', text('x')), 'access-denied')
    await adapter.put('a', text('x'), { ifNoneMatch: '*', storageClass: 'Archive' })
    expect(await keysOf(adapter, {})).toEqual(['a'])
    await adapter.restore('a', { days: 1 })
    double.finishRestores(bucket)
    expect((await readBytes(adapter, 'a')).toString()).toBe('x')
    const { url } = await adapter.presign({ method: 'get', key: 'a', expiresIn: 60 })
    expect(await (await fetch(url)).text()).toBe('x')
    expect((await fetch(url.replace('requester', 'owner'))).status).toBe(403)
    await adapter.deleteMany(['a'])
  })
})

describe('streams of unknown length', () => {
  it('that fit into a part are one put, larger ones an upload', async () => {
    const { adapter } = start()
    let before = double.seen.length
    await adapter.put('small', streamOf(patternBytes(8 * mebibyte)))
    expect(calls(before)).toEqual(['PUT'])
    before = double.seen.length
    const bytes = patternBytes(8 * mebibyte + 1)
    await adapter.put('large', streamOf(bytes), { checksum: crc32Of(bytes), tags: { a: 'b' }, storageClass: 'IA' })
    expect(calls(before).sort()).toEqual(['POST uploadId', 'POST uploads', 'PUT uploadId', 'PUT uploadId'])
    expect((await readBytes(adapter, 'large')).equals(bytes)).toBe(true)
    expect(await adapter.getTags('large')).toEqual({ a: 'b' })
    expect((await adapter.head('large')).storageClass).toBe('IA')
  })

  it('are read no faster than they are sent', async () => {
    const { adapter } = start()
    let made = 0
    let most = 0
    let sent = 0
    const since = double.seen.length
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 64; i++) {
        sent = double.seen.slice(since).filter(({ method }) => method === 'PUT').length
        most = Math.max(most, made - sent * 8)
        made++
        yield Buffer.alloc(mebibyte, i)
      }
    }
    await adapter.put('a', source())
    // Three parts of 8 MiB, whether they have begun to be sent or not.
    expect(most).toBeLessThanOrEqual(24)
    expect((await adapter.head('a')).size).toBe(64 * mebibyte)
  })

  it('leave nothing behind when a part fails, the checksum is wrong, or the caller gives up', async () => {
    const { adapter, bucket } = start({ attempts: 1 })
    const bytes = patternBytes(20 * mebibyte)
    const match = ({ method, asks }: { method: string; asks(name: string): boolean }): boolean =>
      method === 'PUT' && asks('uploadId')
    double.inject({ match, fault: { error: 'InternalError' } })
    await expectCode(adapter.put('a', streamOf(bytes)), 'unavailable')
    await expectCode(adapter.put('a', streamOf(bytes), { checksum: crc32Of(text('other')) }), 'integrity')
    const control = new AbortController()
    const put = adapter.put(
      'a',
      streamOf(bytes, mebibyte, () => setImmediate(() => control.abort())),
      {
        signal: control.signal,
      },
    )
    await expectCode(put, 'aborted')
    await adapter.put('there', text('x'))
    await expectCode(adapter.put('there', streamOf(bytes), { ifNoneMatch: '*' }), 'precondition-failed')
    expect(double.bucket(bucket).uploads.size).toBe(0)
    expect(double.bucket(bucket).keys()).toEqual(['there'])
  })
})

describe('symbolic links', () => {
  function withLink(target: string) {
    const { adapter, bucket } = start()
    const inside = double.bucket(bucket)
    const [bytes, headers] = [Buffer.alloc(0), { 'x-oss-meta-of': 'the-link' }]
    inside.put('link', { bytes, headers, storageClass: 'Standard', lastModified: Date.now(), target })
    return { adapter, inside }
  }

  it('show the object behind them, in listings too', async () => {
    const { adapter } = withLink('target')
    const { etag } = await adapter.put('target', text('the bytes'))
    expect(await adapter.head('link')).toMatchObject({ kind: 'link', size: 9, etag, metadata: { of: 'the-link' } })
    expect((await adapter.head('target')).kind).toBeUndefined()
    expect((await readBytes(adapter, 'link')).toString()).toBe('the bytes')
    for await (const page of adapter.list()) {
      expect(page.objects.map(({ key, size, etag }) => [key, size, etag])).toEqual([
        ['link', 9, etag],
        ['target', 9, etag],
      ])
    }
  })

  it('are copied as what they show', async () => {
    const { adapter } = withLink('target')
    const { etag } = await adapter.put('target', text('the bytes'))
    await adapter.copy('link', 'copy', { sourceIfMatch: etag })
    await adapter.put('target', text('others'))
    expect(await adapter.head('copy')).toMatchObject({ size: 9, metadata: { of: 'the-link' } })
    expect((await adapter.head('copy')).kind).toBeUndefined()
    expect((await readBytes(adapter, 'copy')).toString()).toBe('the bytes')
    await expectCode(adapter.copy('link', 'copy', { sourceIfMatch: etag }), 'precondition-failed')
  })

  it('that lead nowhere are told, and are no objects', async () => {
    const { adapter, inside } = withLink('nowhere')
    expect((await expectCode(adapter.head('link'), 'not-found')).message).toContain('symbolic link leads to no object')
    await expectCode(adapter.get('link'), 'not-found')
    inside.put('round', {
      bytes: Buffer.alloc(0),
      headers: {},
      storageClass: 'Standard',
      lastModified: Date.now(),
      target: 'link',
    })
    const skipped: string[] = []
    for await (const page of adapter.list()) {
      expect(page.objects).toEqual([])
      skipped.push(...(page.skipped ?? []).map(({ name, severity }) => `${severity} ${name}`))
    }
    expect(skipped.sort()).toEqual(['problem link', 'problem round'])
    expect(await exists(adapter, 'link')).toBe(false)
  })
})

describe('appendable objects', () => {
  it('are told, read, and copied through here', async () => {
    const { adapter, bucket } = start()
    const headers = { 'x-oss-meta-log': 'yes' }
    const [storageClass, lastModified] = ['Standard', Date.now()]
    const log = { bytes: Buffer.from('line\n'), headers, storageClass, lastModified, appendable: true }
    double.bucket(bucket).put('log', log)
    expect(await adapter.head('log')).toMatchObject({ kind: 'appendable', size: 5 })
    expect((await readBytes(adapter, 'log')).toString()).toBe('line\n')
    await adapter.copy('log', 'copy')
    expect(await adapter.head('copy')).toMatchObject({ size: 5, metadata: { log: 'yes' } })
    await adapter.put('log', text('written over'))
    expect((await adapter.head('log')).kind).toBeUndefined()
  })
})
