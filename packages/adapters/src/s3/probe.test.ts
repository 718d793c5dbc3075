import { freshBucket, s3Request, startProxy, type TestServer, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { minio } from '../minio/index.ts'

/** What lies in the folder of the probes, seen past the adapter, versions included. */
async function ownObjects(server: TestServer, bucket: string): Promise<string[]> {
  const query = { versions: '', prefix: '.stowage-probe/' }
  const { body } = await s3Request(server, { method: 'GET', path: `/${bucket}`, query })
  return [...body.matchAll(/<(Version|DeleteMarker)>.*?<Key>(.*?)<\/Key>/g)].map(([, kind, key]) => `${kind} ${key}`)
}

await withMinio((server) => {
  const { endpoint, accessKey, secretKey, region } = server
  const at = (bucket: string, changes = {}) =>
    minio({ id: 'lan', endpoint, region, bucket, accessKey, secretKey, ...changes })

  it('writes the canary once and leaves nothing else, hidden from users', async () => {
    const bucket = await freshBucket(server)
    const adapter = at(bucket.name)
    await adapter.put('a/b', Buffer.from('x'))
    expect(await adapter.probe()).toMatchObject({ ok: true, writable: true, checks: [{}, {}, {}] })
    expect((await adapter.probe()).checks.map(({ name, note }) => [name, note])).toEqual([
      ['read', undefined],
      ['write', undefined],
      ['delete', undefined],
    ])
    expect(await ownObjects(server, bucket.name)).toEqual(['Version .stowage-probe/canary-1'])
    for (const options of [{}, { delimiter: '/' as const }, { prefix: '.st' }, { prefix: '.stowage-probe/' }]) {
      const keys: string[] = []
      for await (const page of adapter.list(options)) keys.push(...page.objects.map(({ key }) => key), ...page.prefixes)
      expect(keys.filter((key) => key.startsWith('.'))).toEqual([])
    }
    await expect(adapter.get('.stowage-probe/canary-1')).rejects.toMatchObject({ code: 'invalid-key' })
    await adapter.close()
  })

  it.for(['Enabled', 'Suspended'])('leaves no version behind where versioning is %s', async (status) => {
    const bucket = await freshBucket(server)
    const set = async (to: string): Promise<void> => {
      const body = `<VersioningConfiguration><Status>${to}</Status></VersioningConfiguration>`
      const answer = await s3Request(server, {
        method: 'PUT',
        path: `/${bucket.name}`,
        query: { versioning: '' },
        body,
      })
      expect(answer.status).toBe(200)
    }
    await set('Enabled')
    if (status === 'Suspended') await set(status)
    const adapter = at(bucket.name)
    for (let i = 0; i < 3; i++) expect(await adapter.probe()).toMatchObject({ ok: true, writable: true })
    expect(await ownObjects(server, bucket.name)).toEqual(['Version .stowage-probe/canary-1'])
    await adapter.close()
  })

  it('writes nothing into a source that is read only', async () => {
    const bucket = await freshBucket(server)
    const adapter = at(bucket.name, { readOnly: true })
    expect(await adapter.probe()).toMatchObject({ ok: true, checks: [{ name: 'read', ok: true }] })
    expect(await ownObjects(server, bucket.name)).toEqual([])
    await adapter.close()
  })

  it('ends in time when the store takes the connection and says nothing', async () => {
    const bucket = await freshBucket(server)
    const proxy = await startProxy({ target: endpoint })
    const adapter = at(bucket.name, { endpoint: proxy.endpoint })
    proxy.stallAfter(0, 'down', 100)
    const begun = performance.now()
    const result = await adapter.probe({ timeoutMs: 300 })
    // Far less than the silence that other calls bear.
    expect(performance.now() - begun).toBeLessThan(25_000)
    expect(result).toMatchObject({ ok: false, failure: 'transport', error: { code: 'timeout' } })
    proxy.clear()
    proxy.closeAll()
    expect((await adapter.probe()).ok).toBe(true)
    await adapter.close()
  })

  it('tells what kind of failure it met', async () => {
    const bucket = await freshBucket(server)
    const failures = [
      [at(bucket.name, { secretKey: `${secretKey}-not` }), 'credentials'],
      [at(`${bucket.name}-not`), 'missing'],
      [at(bucket.name, { endpoint: 'http://127.0.0.1:1' }), 'transport'],
    ] as const
    for (const [adapter, failure] of failures) {
      expect(await adapter.probe()).toMatchObject({
        ok: false,
        failure,
        checks: [{ name: 'read', ok: false, failure }],
      })
      await adapter.close()
    }
  })
})
