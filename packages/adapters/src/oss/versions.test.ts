import { expectCode } from '@stowage/core/testing'
import { resolveLocalhost, startOssDouble } from '@stowage/test-support'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { keysOf, patternBytes, readBytes, streamOf, text } from '../testing/bytes.ts'
import { type OssOptions, oss } from './index.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

function start(options: Partial<OssOptions> = {}) {
  const { endpoint, region, accessKey, secretKey } = double
  const bucket = double.createBucket()
  const adapter = oss({ id: 'cloud', endpoint, region, bucket, accessKey, secretKey, ...options })
  onTestFinished(() => adapter.close())
  return { adapter, bucket }
}

describe('buckets that keep versions', () => {
  it('give and delete older versions', async () => {
    const { adapter, bucket } = start({ versioned: true })
    double.bucket(bucket).versioning = 'Enabled'
    const first = await adapter.put('a', text('first'))
    const second = await adapter.put('a', text('other'))
    const versionId = first.versionId ?? ''
    expect(versionId).not.toBe(second.versionId)
    expect((await adapter.head('a', { versionId })).etag).toBe(first.etag)
    const { body } = await adapter.get('a', { versionId })
    expect(Buffer.concat(await body.toArray()).toString()).toBe('first')
    await adapter.delete('a')
    await expectCode(adapter.head('a'), 'not-found')
    expect((await adapter.head('a', { versionId })).size).toBe(5)
    await adapter.delete('a', { versionId })
    await expectCode(adapter.head('a', { versionId }), 'not-found')
    await expectCode(adapter.put('a', text('x'), { ifNoneMatch: '*' }), 'not-supported')
  })

  it('keep every version of puts, copies, uploads in parts and deletes, and list the newest', async () => {
    const { adapter, bucket } = start({ versioned: true })
    double.bucket(bucket).versioning = 'Enabled'
    const versions = [await adapter.put('a', text('one'))]
    await adapter.put('source', text('two'))
    versions.push(await adapter.copy('source', 'a'))
    const { uploadId } = await adapter.multipart.create('a')
    const part = await adapter.multipart.uploadPart('a', uploadId, 1, text('three'))
    versions.push(await adapter.multipart.complete('a', uploadId, [part]))
    versions.push(await adapter.put('a', streamOf(patternBytes(9 * 1024 * 1024))))
    expect(new Set(versions.map(({ versionId }) => versionId)).size).toBe(4)
    expect(await keysOf(adapter, {})).toEqual(['a', 'source'])
    expect((await adapter.head('a')).etag).toBe(versions[3]?.etag)
    expect((await adapter.deleteMany(['a', 'source'])).deleted.sort()).toEqual(['a', 'source'])
    expect(await keysOf(adapter, {})).toEqual([])
    for (const [i, size] of [3, 3, 5, 9 * 1024 * 1024].entries()) {
      const { versionId = '', etag } = versions[i] ?? {}
      expect(await adapter.head('a', { versionId, ifMatch: etag ?? '' })).toMatchObject({ size, versionId, etag })
      const { body, range } = await adapter.get('a', { versionId, range: { start: 1, length: 2 } })
      expect([range.length, Buffer.concat(await body.toArray()).length]).toEqual([2, 2])
    }
    // The marker goes, and what was deleted is back.
    const marker = double.bucket(bucket).versions('a')[0]?.versionId ?? ''
    await adapter.delete('a', { versionId: marker })
    expect((await adapter.head('a')).versionId).toBe(versions[3]?.versionId)
    await expectCode(adapter.head('a', { versionId: 'none' }), 'not-found')
  })

  it('fail create-only writes before a byte is sent, since OSS would not look', async () => {
    const { adapter, bucket } = start()
    double.bucket(bucket).versioning = 'Suspended'
    const error = await expectCode(adapter.put('a', text('x'), { ifNoneMatch: '*' }), 'configuration')
    expect(error.field).toBe('versioned')
    expect(double.bucket(bucket).keys()).toEqual([])
  })

  it('fail them afterwards when it may not be asked, and bring the older version back', async () => {
    const { adapter, bucket } = start()
    await adapter.put('a', text('older'))
    double.bucket(bucket).versioning = 'Enabled'
    double.inject({ match: ({ asks }) => asks('versioning'), fault: { error: 'AccessDenied' } })
    await expectCode(adapter.put('a', text('x'), { ifNoneMatch: '*' }), 'configuration')
    expect((await readBytes(adapter, 'a')).toString()).toBe('older')
  })
})

describe('archives', () => {
  it.each(['Archive', 'ColdArchive'])('of class %s are restored', async (storageClass) => {
    const { adapter, bucket } = start()
    const headers = { 'content-type': 'text/plain' }
    double.bucket(bucket).put('a', { bytes: Buffer.from('cold'), headers, storageClass, lastModified: Date.now() })
    expect(await adapter.head('a')).toMatchObject({ archived: true, storageClass })
    await expectCode(adapter.get('a'), 'archived')
    await adapter.restore('a', { days: 2, tier: 'expedited' })
    await expectCode(adapter.get('a'), 'archived')
    await adapter.restore('a', { days: 2 })
    double.finishRestores(bucket)
    expect((await adapter.head('a')).archived).toBeUndefined()
    await adapter.restore('a', { days: 2 })
    expect((await readBytes(adapter, 'a')).toString()).toBe('cold')
  })

  it('are all that can be restored', async () => {
    const { adapter } = start()
    await adapter.put('a', text('x'))
    await expectCode(adapter.restore('a', { days: 1 }), 'not-supported')
    await expectCode(adapter.restore('none', { days: 1 }), 'not-found')
  })
})
