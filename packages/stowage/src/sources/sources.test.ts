import dns from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { openCatalog } from '@stowage/catalog'
import { StowageError } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { freshBucket, tempDir, testKey, testSecret, withMinio } from '@stowage/test-support'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createStowage, type StowageOptions } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import type { SourceConfig, StowageConfigInput } from '../config/index.ts'

let masterKeys = 0
const masterKey = (): string => testKey(`master ${masterKeys++}`).toString('base64')

async function open(config: Partial<StowageConfigInput> = {}, options: StowageOptions = {}): Promise<Stowage> {
  const stowage = await createStowage({ sources: [], ...config }, { background: false, env: {}, ...options })
  onTestFinished(() => stowage.close())
  return stowage
}

const folder = (id: string): SourceConfig => ({ id, type: 'filesystem', root: tempDir(id) })
const lan = { id: 'lan', type: 'minio', endpoint: 'https://minio.example.com', bucket: 'train' } as const
const keys = { accessKey: 'AKIDEXAMPLE', secretKey: testSecret('catalog') }

describe('sources of the catalog', () => {
  it('are added, changed, switched off and on and removed while others are used', async () => {
    const stowage = await open({ sources: [folder('here')] })
    const { sources } = stowage
    const added = await sources.add({ ...folder('there'), region: 'rack-7', priority: 5 })
    expect(added).toMatchObject({ id: 'there', origin: 'catalog', region: 'rack-7', priority: 5, status: 'active' })
    expect(sources.list().map(({ id, origin }) => [id, origin])).toEqual([
      ['here', 'file'],
      ['there', 'catalog'],
    ])
    await (await sources.adapter('there')).put('a/b', Buffer.from('x'))
    expect((await stowage.sync({ from: 'there:a', to: 'here:copy' })).objects.copied).toBe(1)

    expect((await sources.update('there', { region: null, name: 'The other', weight: 3 })).region).toBeUndefined()
    expect(sources.get('there')).toMatchObject({ name: 'The other', weight: 3, priority: 5 })
    expect((await sources.disable('there')).status).toBe('inactive')
    const decision = await stowage.route({ purpose: 'write', actor: { userType: 'internal' } })
    expect(decision.dropped.map(({ sourceId }) => sourceId)).toContain('there')
    expect((await sources.enable('there')).status).toBe('active')
    await sources.remove('there')
    expect(sources.list()).toHaveLength(1)
    await expectCode(sources.adapter('there'), 'configuration')
  })

  it('keep ids apart from those of the configuration', async () => {
    const path = join(tempDir('catalog'), 'catalog.db')
    const stowage = await open({ sources: [folder('here')], catalog: { type: 'sqlite', path } })
    expect((await expectCode(stowage.sources.add(folder('here')), 'configuration')).field).toBe('id')
    await stowage.sources.add(folder('there'))
    await expectCode(stowage.sources.add(folder('there')), 'conflict')
    for (const change of [
      stowage.sources.update('here', { weight: 2 }),
      stowage.sources.disable('here'),
      stowage.sources.remove('here'),
      stowage.sources.stageCredentials('here', keys),
    ]) {
      await expectCode(change, 'configuration')
    }
    await expectCode(open({ sources: [folder('there')], catalog: { type: 'sqlite', path } }), 'configuration')
  })

  it('may be named by policies, and nothing else may', async () => {
    const path = join(tempDir('catalog'), 'catalog.db')
    const policies = [{ id: 'p', on: 'publish' as const, from: 'here', to: 'there' }]
    const config = { sources: [folder('here')], catalog: { type: 'sqlite' as const, path } }
    const refused = open({ ...config, policies })
    expect((await expectCode(refused, 'configuration')).field).toBe('policies[0].to')
    await (await open(config)).sources.add(folder('there'))
    await open({ ...config, policies })
  })

  it('are refused where they would lead to what is not theirs, without asking anybody', async () => {
    const { sources } = await open({ vault: { key: masterKey() } })
    const refused: [string, Partial<SourceConfig>][] = [
      ['endpoint', { endpoint: 'http://minio.example.com' }],
      ['endpoint', { endpoint: 'https://169.254.169.254' }],
      ['endpoint', { endpoint: 'https://10.0.0.7:9000' }],
      ['endpoint', { endpoint: 'https://localhost:9000' }],
      ['endpoint', { endpoint: 'https://127.1:9000' }],
      ['endpoint', { endpoint: 'https://metadata.google.internal', allowPrivateNetwork: true }],
    ]
    for (const [field, change] of refused) {
      expect((await expectCode(sources.add({ ...lan, ...change }), 'configuration')).field).toBe(field)
    }
    const wrong: [string, object][] = [
      ['bucket', { bucket: undefined }],
      ['root', { root: '/x' }],
      ['rot', { rot: 1 }],
      ['accessKey', { secretKey: 'x' }],
      ['id', { id: 'A:b' }],
    ]
    for (const [field, change] of wrong) {
      const error = await expectCode(sources.add({ ...lan, ...change } as SourceConfig), 'invalid-request')
      expect(error.field).toBe(field)
    }
    const relative = sources.add({ id: 'disk', type: 'filesystem', root: './data' })
    expect((await expectCode(relative, 'invalid-request')).field).toBe('root')
    await sources.add({ ...lan, endpoint: 'https://10.0.0.7:9000', allowPrivateNetwork: true })
    await expectCode(sources.update('lan', { allowPrivateNetwork: null }), 'configuration')
    expect(sources.list()).toHaveLength(1)
  })

  it('are not connected to where their names lead to what is not theirs', async () => {
    const answer = vi
      .spyOn(dns, 'lookup')
      .mockImplementation((async () => [{ address: '10.0.0.7', family: 4 }]) as never)
    syncBuiltinESMExports()
    onTestFinished(() => {
      answer.mockRestore()
      syncBuiltinESMExports()
    })
    const { sources } = await open({ vault: { key: masterKey() } })
    const source = { ...lan, ...keys }
    const { error } = await sources.tryOut(source)
    expect(error?.message).toContain('minio.example.com resolves to 10.0.0.7')
    await sources.add(source)
    await expectCode((await sources.adapter('lan')).head('key'), 'configuration')
    expect(answer).toHaveBeenCalled()
  })

  it('have credentials only where they can be sealed, and show them to nobody', async () => {
    const without = await open()
    const error = await expectCode(without.sources.add({ ...lan, ...keys }), 'configuration')
    expect(error.field).toBe('vault')
    await without.sources.add(lan)

    const path = join(tempDir('catalog'), 'catalog.db')
    const key = masterKey()
    const catalog = { type: 'sqlite' as const, path }
    const stowage = await open({ catalog }, { env: { STOWAGE_MASTER_KEY: key } })
    const seen: unknown[] = []
    for (const name of ['sources.changed', 'source.health', 'alert'] as const)
      stowage.events.on(name, (p) => seen.push(p))
    const view = await stowage.sources.add({ ...lan, ...keys })
    expect(view).toMatchObject({ hasCredentials: true, hasNextCredentials: false })
    const adapter = await stowage.sources.adapter('lan')
    for (const shown of [view, stowage, stowage.sources, stowage.sources.list(), adapter, seen]) {
      expect(inspect(shown, { depth: null, showHidden: true }) + JSON.stringify(shown)).not.toContain(keys.secretKey)
    }
    expect(stowage.sources.redactor.text(`bad key ${keys.secretKey}`)).not.toContain(keys.secretKey)

    const other = await open({ catalog }, { env: { STOWAGE_MASTER_KEY: masterKey() } })
    await expectCode(other.sources.adapter('lan'), 'integrity')
    await expectCode((await open({ catalog })).sources.adapter('lan'), 'configuration')
  })

  it('never send the keys of one endpoint to another', async () => {
    const { sources } = await open({ vault: { key: masterKey() } })
    await sources.add({ ...lan, ...keys })
    const error = await expectCode(sources.update('lan', { endpoint: 'https://evil.example.com' }), 'invalid-request')
    expect(error.field).toBe('accessKey')
    await sources.update('lan', {
      endpoint: 'https://other.example.com',
      accessKey: 'a',
      secretKey: testSecret('other'),
    })
    await sources.update('lan', { accessKey: null, secretKey: null })
    expect(sources.get('lan').hasCredentials).toBe(false)
    await sources.update('lan', { endpoint: 'https://third.example.com' })
  })

  it('are changed on the revision that was seen', async () => {
    const { sources } = await open()
    const { revision } = await sources.add(lan)
    await sources.update('lan', { weight: 2 }, revision)
    await expectCode(sources.update('lan', { weight: 3 }, revision), 'conflict')
    expect(sources.get('lan').weight).toBe(2)
  })

  it('reach another process within a second of its next use', async () => {
    const path = join(tempDir('catalog'), 'catalog.db')
    const config = { sources: [folder('here')], catalog: { type: 'sqlite' as const, path } }
    const clock = new FakeClock()
    const [one, two] = [await open(config), await open(config, { clock })]
    const there = folder('there')
    await one.sources.add(there)
    await expectCode(two.sources.adapter('there'), 'configuration')
    await clock.advance(1001)
    const adapter = await two.sources.adapter('there')
    await adapter.put('k', Buffer.from('x'))

    // It moves: what was begun there ends, what begins goes to the new place.
    await one.sources.update('there', { root: tempDir('elsewhere') })
    await clock.advance(1001)
    const error = await expectCode(adapter.put('k2', Buffer.from('x')), 'configuration')
    expect(error.message).toContain('moved')
    await expectCode((await two.sources.adapter('there')).head('k'), 'not-found')

    await one.sources.remove('there')
    await clock.advance(1001)
    await expectCode(two.sources.adapter('there'), 'configuration')
  })

  it('are kept as they were while the catalog does not answer', async () => {
    const clock = new FakeClock()
    const catalog = await openCatalog({ type: 'memory' })
    onTestFinished(() => catalog.close())
    let isDown = false
    const changes = catalog.sources.changes.bind(catalog.sources)
    catalog.sources.changes = async (since) => {
      if (isDown) throw new StowageError('unavailable', 'The catalog does not answer.')
      return changes(since)
    }
    const { sources } = await open({}, { clock, catalog })
    await sources.add(folder('there'))
    isDown = true
    await clock.advance(5000)
    expect((await (await sources.adapter('there')).probe()).ok).toBe(true)
    await expectCode(sources.fresh(true), 'unavailable')
    isDown = false
    await clock.advance(5000)
    await catalog.sources.setEnabled('there', false)
    await sources.adapter('there')
    expect(sources.get('there').status).toBe('inactive')
  })

  it('are not removed while replicas lie on them', async () => {
    const stowage = await open()
    await stowage.sources.add({ ...folder('disk'), isPublic: false })
    const cats = await stowage.as({ userId: 'ada', userType: 'internal' }).datasets.create({ name: 'cats' })
    const files = tempDir('files')
    writeFileSync(join(files, 'a.txt'), 'x')
    await cats.upload(files)
    const error = await expectCode(stowage.sources.remove('disk'), 'unsafe')
    expect(error.message).toContain('1 replica')
    expect(stowage.sources.get('disk').enabled).toBe(true)
  })
})

await withMinio((server) => {
  it('a source of MinIO is added with its keys, tried out, and gets new keys in the middle of a transfer', async () => {
    const bucket = (await freshBucket(server)).name
    const { endpoint, accessKey, secretKey } = server
    const stowage = await open(
      {
        sources: [folder('here')],
        vault: { key: { env: 'KEY' } },
        network: { allowLoopback: true },
      },
      { env: { KEY: masterKey() } },
    )
    const { sources } = stowage
    const config = { id: 'lan', type: 'minio', endpoint, bucket } as const
    const bad = await sources.tryOut({ ...config, accessKey, secretKey: testSecret('wrong') })
    expect(bad.error?.code).toBe('access-denied')
    expect((await sources.tryOut({ ...config, accessKey, secretKey })).ok).toBe(true)
    await sources.add({ ...config, accessKey, secretKey: testSecret('wrong') })
    const adapter = await sources.adapter('lan')
    await expectCode(adapter.put('k', Buffer.from('x')), 'access-denied')

    await sources.stageCredentials('lan', { accessKey, secretKey })
    expect(sources.get('lan').hasNextCredentials).toBe(true)
    expect((await sources.probeNext('lan')).ok).toBe(true)
    await sources.promoteCredentials('lan')
    // The same adapter, which a sync may have held all the time.
    await adapter.put('k', Buffer.from('x'))
    expect(sources.get('lan')).toMatchObject({ hasCredentials: true, hasNextCredentials: false })
    await sources.probe('lan')
    const { lastHealthCheckAt } = sources.get('lan')
    expect(lastHealthCheckAt).toBeGreaterThan(0)
    await sources.update('lan', { maxSockets: 4 })
    expect((await adapter.head('k')).size).toBe(1)
    expect(await sources.rewrap()).toEqual({ rewrapped: 0, current: 1, failed: [] })
  })
})
