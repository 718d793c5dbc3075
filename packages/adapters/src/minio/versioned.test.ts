import { expectCode } from '@stowage/core/testing'
import { type FreshBucket, freshBucket, runs, s3Request, type TestServer, withMinio } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { keysOf, patternBytes, readBytes, streamOf, text } from '../testing/bytes.ts'
import { hasty } from '../testing/hasty.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type MinioOptions, minio } from './index.ts'

type Versioning = 'Enabled' | 'Suspended'

const minPart = 5 * 1024 * 1024

async function setVersioning(server: TestServer, bucket: string, status: Versioning): Promise<void> {
  const { status: answered, body } = await s3Request(server, {
    method: 'PUT',
    path: `/${bucket}`,
    query: { versioning: '' },
    body: `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
  })
  if (answered !== 200) throw new Error(`MinIO did not set the versioning of ${bucket}: ${answered} ${body}`)
}

/** What MinIO itself tells of a bucket's versions, in its order, with `*` for the newest: `a*`, `a (deleted)`. */
async function versionsIn(server: TestServer, bucket: string): Promise<string[]> {
  const { body } = await s3Request(server, { method: 'GET', path: `/${bucket}`, query: { versions: '' } })
  return [...body.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)].map(([, kind, inner = '']) => {
    const isLatest = inner.includes('<IsLatest>true</IsLatest>')
    return `${/<Key>(.*?)<\/Key>/.exec(inner)?.[1]}${isLatest ? '*' : ''}${kind === 'Version' ? '' : ' (deleted)'}`
  })
}

await withMinio(async (server) => {
  async function versioned(status: Versioning = 'Enabled'): Promise<FreshBucket> {
    const bucket = await freshBucket(server, 'versioned')
    await setVersioning(server, bucket.name, status)
    return bucket
  }

  function optionsOf(bucket: FreshBucket): MinioOptions {
    const { endpoint, accessKey, secretKey, region } = server
    return { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey, random: hasty }
  }

  async function underTest(status: Versioning): Promise<AdapterUnderTest> {
    const bucket = await versioned(status)
    const options = optionsOf(bucket)
    const adapter = minio(options)
    return {
      adapter,
      secret: server.secretKey,
      copySources: (key) => [{ 'x-amz-copy-source': encodeURI(`/${bucket.name}/${key}`) }],
      createBroken: () => minio({ ...options, secretKey: `${server.secretKey}-not` }),
      createMissing: () => minio({ ...options, bucket: `${bucket.name}-not` }),
      createDead: () => minio({ ...options, endpoint: 'http://127.0.0.1:1' }),
      createWithClock: (clock) => minio({ ...options, clock }),
      cleanup: async () => {
        await adapter.close()
        await bucket.remove()
      },
    }
  }

  const knownGaps = [
    { test: 'can write where it deleted', reason: 'the marker of "a" goes on hiding "a/b" from listings of MinIO' },
  ]
  // What a suspended bucket does differently is below; at full level the whole contract is held against one too.
  for (const status of runs<Versioning[]>(['Enabled'], ['Enabled', 'Suspended'])) {
    testAdapter({ name: `minio with versioning ${status}`, create: () => underTest(status), knownGaps })
  }

  describe.each(['lean', 'sdk'] as const)('a bucket that keeps versions, by the data path %s', (dataPath) => {
    async function start(status?: Versioning) {
      const bucket = await versioned(status)
      const adapter = minio({ ...optionsOf(bucket), dataPath })
      onTestFinished(async () => {
        await adapter.close()
        await bucket.remove()
      })
      return { adapter, bucket: bucket.name }
    }

    async function bytesOf({ adapter }: Awaited<ReturnType<typeof start>>, versionId: string): Promise<string> {
      const { body, info } = await adapter.get('a', { versionId })
      expect(info.versionId).toBe(versionId)
      return Buffer.concat(await body.toArray()).toString()
    }

    it('names the version that each write made, and reads every one of them', async () => {
      const scene = await start()
      const { adapter, bucket } = scene
      const big = patternBytes(minPart + 10)
      const versions = [await adapter.put('a', text('one'))]
      versions.push(await adapter.put('a', streamOf(text('two')), { size: 3 }))
      await adapter.put('source', text('three'), { metadata: { of: 'three' } })
      versions.push(await adapter.copy('source', 'a'))
      const { uploadId } = await adapter.multipart.create('a')
      const parts = [
        await adapter.multipart.uploadPart('a', uploadId, 1, big.subarray(0, minPart)),
        await adapter.multipart.uploadPart('a', uploadId, 2, big.subarray(minPart)),
      ]
      versions.push(await adapter.multipart.complete('a', uploadId, parts))
      const ids = versions.map(({ versionId = '' }) => versionId)
      expect(new Set(ids).size).toBe(4)
      expect(ids).not.toContain('')

      for (const [i, expected] of ['one', 'two', 'three'].entries()) {
        const versionId = ids[i] as string
        expect(await bytesOf(scene, versionId)).toBe(expected)
        const info = await adapter.head('a', { versionId, ifMatch: versions[i]?.etag ?? '' })
        expect(info).toMatchObject({ size: expected.length, versionId, etag: versions[i]?.etag })
        const { body } = await adapter.get('a', { versionId, range: { start: 1, length: 2 } })
        expect(Buffer.concat(await body.toArray()).toString()).toBe(expected.slice(1, 3))
      }
      expect((await adapter.head('a', { versionId: ids[2] as string })).metadata).toEqual({ of: 'three' })
      expect((await adapter.head('a')).versionId).toBe(ids[3])
      expect((await readBytes(adapter, 'a')).equals(big)).toBe(true)
      // The version pins: another's etag is a condition that fails, not another version.
      const wrong = { versionId: ids[0] as string, ifMatch: versions[1]?.etag ?? '' }
      await expectCode(adapter.head('a', wrong), 'precondition-failed')
      await expectCode(adapter.get('a', wrong), 'precondition-failed')
      expect(await keysOf(adapter, {})).toEqual(['a', 'source'])
      expect(await versionsIn(server, bucket)).toEqual(['a*', 'a', 'a', 'a', 'source*'])
    })

    it('marks what is deleted: gone from reads and listings, whole for who names the version', async () => {
      const scene = await start()
      const { adapter, bucket } = scene
      const { versionId = '' } = await adapter.put('a', text('older'))
      await adapter.put('dir/b', text('b'))
      await adapter.delete('a')
      await expectCode(adapter.head('a'), 'not-found')
      await expectCode(adapter.get('a'), 'not-found')
      await expectCode(adapter.copy('a', 'c'), 'not-found')
      expect((await adapter.deleteMany(['dir/b', 'never'])).failed).toEqual([])
      expect(await keysOf(adapter, {})).toEqual([])
      // MinIO goes on to tell of the folder, in which it then lists nothing.
      for await (const { objects, prefixes } of adapter.list({ delimiter: '/' })) {
        expect([objects, prefixes]).toEqual([[], ['dir/']])
      }
      expect(await keysOf(adapter, { prefix: 'dir/' })).toEqual([])
      expect(await bytesOf(scene, versionId)).toBe('older')
      expect(await versionsIn(server, bucket)).toContain('a* (deleted)')
    })

    it('reads no bytes of a marker, whichever way it is named', async () => {
      const { adapter, bucket } = await start()
      await adapter.put('a', text('older'))
      await adapter.delete('a')
      const { body } = await s3Request(server, { method: 'GET', path: `/${bucket}`, query: { versions: '' } })
      const marker = /<DeleteMarker>.*?<VersionId>(.*?)<\/VersionId>/s.exec(body)?.[1] ?? ''
      await expectCode(adapter.head('a', { versionId: marker }), 'not-found')
      await expectCode(adapter.get('a', { versionId: marker }), 'not-found')
      // Without its marker the object is back.
      await adapter.delete('a', { versionId: marker })
      expect((await readBytes(adapter, 'a')).toString()).toBe('older')
      expect(await versionsIn(server, bucket)).toEqual(['a*'])
    })

    it('deletes one version for good, and leaves no marker for it', async () => {
      const scene = await start()
      const { adapter, bucket } = scene
      const first = await adapter.put('a', text('first'))
      const second = await adapter.put('a', text('second'))
      const [one, two] = [first.versionId ?? '', second.versionId ?? '']
      await adapter.delete('a', { versionId: two })
      expect((await readBytes(adapter, 'a')).toString()).toBe('first')
      await expectCode(adapter.head('a', { versionId: two }), 'not-found')
      await expectCode(adapter.get('a', { versionId: two }), 'not-found')
      // Once more is no error: what is not there needs no deleting.
      await adapter.delete('a', { versionId: two })
      expect(await bytesOf(scene, one)).toBe('first')
      await adapter.delete('a', { versionId: one })
      expect(await versionsIn(server, bucket)).toEqual([])
    })

    it('creates only where nothing lies now: not over an object, over a marker again', async () => {
      const { adapter, bucket } = await start()
      await adapter.put('a', text('first'), { ifNoneMatch: '*' })
      await expectCode(adapter.put('a', text('second'), { ifNoneMatch: '*' }), 'precondition-failed')
      const { uploadId } = await adapter.multipart.create('a')
      const part = await adapter.multipart.uploadPart('a', uploadId, 1, text('second'))
      const complete = () => adapter.multipart.complete('a', uploadId, [part], { ifNoneMatch: '*' })
      await expectCode(complete(), 'precondition-failed')
      expect(await versionsIn(server, bucket)).toEqual(['a*'])
      await adapter.delete('a')
      await complete()
      expect((await readBytes(adapter, 'a')).toString()).toBe('second')
      await adapter.delete('a')
      await adapter.put('a', text('third'), { ifNoneMatch: '*' })
      expect((await readBytes(adapter, 'a')).toString()).toBe('third')
      expect(await versionsIn(server, bucket)).toEqual(['a*', 'a (deleted)', 'a', 'a (deleted)', 'a'])
    })

    it('replaces only the version that was seen', async () => {
      const { adapter, bucket } = await start()
      const first = await adapter.put('a', text('first'))
      const second = await adapter.put('a', text('second'), { ifMatch: first.etag })
      await expectCode(adapter.put('a', text('third'), { ifMatch: first.etag }), 'precondition-failed')
      expect((await adapter.head('a')).versionId).toBe(second.versionId)
      await adapter.delete('a')
      await expectCode(adapter.put('a', text('third'), { ifMatch: second.etag }), 'precondition-failed')
      expect(await versionsIn(server, bucket)).toEqual(['a* (deleted)', 'a', 'a'])
    })

    it('gives the tags of each version', async () => {
      const { adapter } = await start()
      const first = await adapter.put('a', text('first'), { tags: { of: 'first' } })
      await adapter.put('a', text('second'), { tags: { of: 'second' } })
      expect(await adapter.getTags('a')).toEqual({ of: 'second' })
      expect(await adapter.getTags('a', { versionId: first.versionId ?? '' })).toEqual({ of: 'first' })
    })

    it('names no version where versioning is suspended, and keeps the older ones', async () => {
      const { adapter, bucket } = await start()
      const { versionId = '' } = await adapter.put('a', text('kept'))
      await setVersioning(server, bucket, 'Suspended')
      expect((await adapter.put('a', text('over'))).versionId).toBeUndefined()
      expect((await adapter.put('a', text('again'))).versionId).toBeUndefined()
      expect((await adapter.head('a')).versionId).toBeUndefined()
      expect((await readBytes(adapter, 'a')).toString()).toBe('again')
      expect((await adapter.head('a', { versionId })).size).toBe(4)
      await adapter.delete('a')
      await expectCode(adapter.head('a'), 'not-found')
      expect((await adapter.head('a', { versionId })).size).toBe(4)
      expect(await versionsIn(server, bucket)).toEqual(['a* (deleted)', 'a'])
    })

    it('is probed without a version or a marker left behind', async () => {
      const { adapter, bucket } = await start()
      for (let i = 0; i < 2; i++) expect((await adapter.probe()).ok).toBe(true)
      // The canary stays, in one version.
      expect(await versionsIn(server, bucket)).toEqual([expect.stringMatching(/^\.stowage-probe\/[^ ]+\*$/)])
    })
  })
})
