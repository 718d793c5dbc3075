import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { createAdapter } from '@stowage/adapters'
import { memory } from '@stowage/adapters/memory'
import { openCatalog } from '@stowage/catalog'
import { envKey, openVault, type StorageAdapter, StowageError, type StowageEvents, toStowageError } from '@stowage/core'
import {
  createMinioUser,
  findSecret,
  freePort,
  freshBucket,
  resolveLocalhost,
  runCli,
  startOssDouble,
  tempDir,
  testKey,
  testSecret,
  withMinio,
  withPostgres,
} from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loadConfig, parseConfig, type SourceConfig, type StowageConfigInput } from '../config/index.ts'
import { createStowage } from './create.ts'
import type { Stowage } from './stowage.ts'

resolveLocalhost()

const presign = { baseUrl: 'https://files.example.com', secret: testKey('presign').toString('base64') }
const masterKey = testKey('master').toString('base64')
const accessKey = 'AKIDEXAMPLE'
const keys = { accessKey, secretKey: testSecret('key'), sessionToken: testSecret('token') }

/** A source of every type; those with a network are where nobody answers. */
async function everyType(): Promise<SourceConfig[]> {
  const endpoint = `http://127.0.0.1:${await freePort()}`
  const remote = { endpoint, bucket: 'train', attempts: 1, connectTimeoutMs: 2_000, ...keys }
  return [
    { id: 'memory', type: 'memory', presign },
    { id: 'disk', type: 'filesystem', root: tempDir('disk'), presign },
    { id: 's3', type: 's3', ...remote, pathStyle: true },
    { id: 's3-sdk', type: 's3', ...remote, dataPath: 'sdk' },
    { id: 'minio', type: 'minio', ...remote, limits: { concurrency: 4, bandwidth: { up: 1e9, down: 1e9 } } },
    { id: 'rustfs', type: 'rustfs', ...remote, readOnly: true },
    { id: 'oss', type: 'oss', ...remote, region: 'cn-hangzhou', endpoint: endpoint.replace('127.0.0.1', 'localhost') },
  ]
}

/** All ways to show a thing by accident. */
function shows(thing: unknown): Record<string, string | undefined> {
  const ways: Record<string, () => string> = {
    inspect: () => inspect(thing, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxArrayLength: null }),
    getters: () => inspect(thing, { depth: 4, getters: true, showProxy: true }),
    json: () => JSON.stringify(thing) ?? '',
    string: () => String(thing),
    stack: () => (thing instanceof Error ? `${thing.stack} ${(thing.cause as Error | undefined)?.stack}` : ''),
  }
  return Object.fromEntries(
    Object.entries(ways).map(([way, show]) => {
      try {
        return [way, findSecret(show())]
      } catch (error) {
        // What cannot be shown in this way (a cycle in JSON, say) shows nothing; the error may.
        return [way, findSecret(inspect(error))]
      }
    }),
  )
}

/** Plain data is copied, and then shown as anything else; what has methods cannot be copied. */
function copied(thing: unknown): unknown {
  try {
    return structuredClone(thing)
  } catch {
    return undefined
  }
}

function expectSilent(things: Record<string, unknown>): void {
  for (const [name, thing] of Object.entries(things)) {
    expect(shows(thing), name).toEqual({
      inspect: undefined,
      getters: undefined,
      json: undefined,
      string: undefined,
      stack: undefined,
    })
  }
}

/** What calls of every kind on an adapter fail with, and what it finds when it looks at itself. */
async function failuresOf(adapter: StorageAdapter): Promise<unknown[]> {
  const calls: (() => Promise<unknown>)[] = [
    () => adapter.head('k'),
    () => adapter.get('k'),
    () => adapter.put('k', Buffer.from('x')),
    () => adapter.delete('k'),
    () => adapter.copy('k', 'l'),
    () => adapter.multipart.create('k'),
    async () => {
      for await (const _ of adapter.list()) break
    },
  ]
  const errors = await Promise.all(
    calls.map((call) =>
      call().then(
        () => expect.fail('it should not have worked'),
        (error: unknown) => error,
      ),
    ),
  )
  const looks = [adapter.deleteMany(['k']), adapter.probe(), adapter.diagnose?.({})]
  return [...errors, ...(await Promise.all(looks.map((look) => look?.catch((error: unknown) => error))))]
}

const names: (keyof StowageEvents)[] = [
  'task.state',
  'source.health',
  'sources.changed',
  'source.call',
  'route.decided',
  'read.failover',
  'upload.failover',
  'sync.progress',
  'upload.progress',
  'dataset.published',
  'alert',
]

function eventsOf(stowage: Stowage): unknown[] {
  const seen: unknown[] = []
  for (const name of names) stowage.events.on(name, (payload) => seen.push([name, payload]))
  return seen
}

async function open(input: StowageConfigInput, env: Record<string, string> = {}): Promise<Stowage> {
  const stowage = await createStowage(input, { background: false, env })
  onTestFinished(() => stowage.close())
  return stowage
}

describe('shows no secret:', () => {
  it('a configuration, parsed or read from a file', async () => {
    const input = {
      sources: await everyType(),
      catalog: { type: 'postgres' as const, url: `postgres://ada:${testSecret('database')}@127.0.0.1:1/x` },
      vault: { key: `2:${masterKey},1:${testKey('old').toString('hex')}` },
    }
    const folder = tempDir('config')
    writeFileSync(join(folder, 'stowage.config.json'), JSON.stringify(input))
    const [parsed, loaded] = [parseConfig(input), await loadConfig({ directory: folder })]
    for (const config of [parsed, loaded]) {
      const { sources, catalog, vault } = config
      expectSilent({ config, catalog, vault, ...Object.fromEntries(sources.map((source) => [source.id, source])) })
      expect(sources[2]?.secretKey).toBe(keys.secretKey)
      expect(inspect(config)).toContain('[secret]')
    }
    expectSilent({ parsed: { ...parsed }, text: `${parsed}` })
  })

  it.each([
    ['json', `{ "sources": [{ "secretKey": ${testSecret('json')} }] }`],
    ['json', `{ "secretKey": "${testSecret('json')}" "x" }`],
    ['mjs', `export default { secretKey: '${testSecret('mjs')}' 'x' }`],
  ])('the error of a file with a fault in it: %#', async (kind, text) => {
    const folder = tempDir('config')
    const path = `stowage.config.${kind}`
    writeFileSync(join(folder, path), text)
    const error = await loadConfig({ directory: folder, path }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringContaining('cannot be read') })
    expectSilent({ error })
  })

  it.each([
    ['mjs', `export default { secretKey: '${testSecret('mjs')}' 'x' }`],
    ['ts', `enum E { secretKey = '${testSecret('ts')}' }\nexport default {}`],
  ])('the command line about a file of %s with a fault in it', async (kind, text) => {
    const cwd = tempDir('config')
    writeFileSync(join(cwd, `stowage.config.${kind}`), text)
    const { code, stdout, stderr } = await runCli(['source', 'list', '--verbose', '--json'], { cwd })
    expect(code).not.toBe(0)
    expect(stderr).toContain('cannot be read')
    expectSilent({ stdout, stderr })
  })

  it('a catalog with credentials, its vault, its sources and their adapters', async () => {
    const path = join(tempDir('catalog'), 'catalog.db')
    const catalog = await openCatalog({ type: 'sqlite', path })
    onTestFinished(() => catalog.close())
    const provider = envKey('KEY', { KEY: masterKey })
    const [loaded] = await provider.load()
    const vault = await openVault({ catalogId: await catalog.datasets.catalogId(), keys: [provider] })
    const sealed = await vault.seal('lan', keys)
    await catalog.sources.add({
      id: 'lan',
      type: 'minio',
      bucket: 'b',
      endpoint: 'http://127.0.0.1:1',
      credentials: sealed,
    })
    const opened = await vault.open('lan', sealed)
    const stored = await catalog.sources.getCredentials('lan')
    expect(opened['secretKey']?.reveal()).toBe(keys.secretKey)
    expectSilent({ catalog, provider, loaded, vault, sealed, opened, stored, copy: copied(stored) })

    const stowage = await createStowage(
      { sources: [], vault: { key: masterKey }, network: { allowLoopback: true } },
      { background: false, catalog },
    )
    onTestFinished(() => stowage.close())
    const seen = eventsOf(stowage)
    const [adapter, view] = [await stowage.sources.adapter('lan'), stowage.sources.get('lan')]
    const failures = await failuresOf(adapter)
    await stowage.sources.stageCredentials('lan', { ...keys, secretKey: testSecret('next') })
    const tried = await stowage.sources.probeNext('lan')
    expectSilent({ stowage, sources: stowage.sources, adapter, view, failures, tried, seen, copy: copied(seen) })
    expect(stowage.sources.redactor.text(`${keys.secretKey} ${masterKey} ${testSecret('next')}`)).toBe(
      '[secret] [secret] [secret]',
    )
  })

  it('a Stowage with a source of every type, none of which answers', async () => {
    const sources = await everyType()
    const stowage = await open({ sources }, { STOWAGE_MASTER_KEY: masterKey })
    const seen = eventsOf(stowage)
    mkdirSync(join(sources[1]?.root ?? '', 'raw'))
    writeFileSync(join(sources[1]?.root ?? '', 'raw', 'a'), 'x')
    for (const source of sources) {
      const wrapped = await stowage.sources.adapter(source.id)
      const { limits: _, ...options } = source
      const bare = await createAdapter(options)
      onTestFinished(() => bare.close())
      expectSilent({ [`${source.id} wrapped`]: wrapped, [`${source.id} bare`]: bare })
      if (source.endpoint === undefined) {
        const url = await bare.presign({ method: 'get', key: 'k', expiresIn: 60 })
        expectSilent({ [`URL of ${source.id}`]: url })
        continue
      }
      expectSilent({ [`failures of ${source.id}`]: [...(await failuresOf(bare)), ...(await failuresOf(wrapped))] })
      const synced = await stowage.sync({ from: 'disk:raw', to: `${source.id}:raw` }).catch((error: unknown) => error)
      await stowage.sources.probe(source.id)
      expectSilent({ [`used ${source.id}`]: wrapped, synced })
    }
    expect(seen.length).toBeGreaterThan(0)
    expectSilent({ stowage, sources: stowage.sources, list: stowage.sources.list(), seen, copy: copied(seen) })
  })

  it('an error whose store repeats what it was sent, and more', async () => {
    // Such stores are: OSS quotes the string that it would have signed, proxies quote headers.
    const parrot = createServer((request, response) => {
      const said = `${JSON.stringify(request.headers)} ${request.url} ${keys.secretKey} ${keys.sessionToken}`
      response.writeHead(400, { 'content-type': 'application/xml', 'x-amz-request-id': keys.secretKey })
      response.end(`<Error><Code>Odd</Code><Message>${said.replace(/[<&]/g, '')}</Message></Error>`)
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void parrot.close())
    await once(parrot, 'listening')
    const { port } = parrot.address() as AddressInfo
    const sources = (await everyType())
      .filter(({ endpoint }) => endpoint !== undefined)
      .map((source) => ({ ...source, endpoint: `http://${source.type === 'oss' ? 'localhost' : '127.0.0.1'}:${port}` }))
    const stowage = await open({ sources: [...sources, { id: 'disk', type: 'filesystem', root: tempDir('disk') }] })
    const seen = eventsOf(stowage)
    await (await stowage.sources.adapter('disk')).put('raw/a', Buffer.from('x'))
    for (const { id } of sources) {
      const failures = await failuresOf(await stowage.sources.adapter(id))
      // What a store says is its own; before it is printed or told, it is taken out.
      expectSilent({ [id]: stowage.sources.redactor.value(failures) })
      await stowage.sync({ from: 'disk:raw', to: `${id}:raw` }).catch((error: unknown) => toStowageError(error))
      await stowage.sources.probe(id)
    }
    expectSilent({ seen })
  })

  it('a task that failed with words that have one: its events, its record, its result', async () => {
    const liar = memory({ id: 'liar' })
    const words = `refused: ${keys.secretKey}, ${encodeURIComponent(keys.sessionToken)}`
    liar.put = () => Promise.reject(new StowageError('access-denied', words, { cause: new Error(words), hint: words }))
    const sources: SourceConfig[] = [
      { id: 'lan', type: 'minio', endpoint: 'http://127.0.0.1:1', bucket: 'b', ...keys },
      { id: 'liar', type: 'memory' },
      { id: 'here', type: 'memory' },
    ]
    const stowage = await createStowage({ sources }, { background: false, adapters: { liar } })
    onTestFinished(() => stowage.close())
    const seen = eventsOf(stowage)
    await (await stowage.sources.adapter('here')).put('raw/a', Buffer.from('x'))
    const result = await stowage.sync({ from: 'here:raw', to: 'liar:raw' })
    const tasks = await stowage.tasks.list()
    expect(result.status).toBe('failed')
    expect(tasks[0]?.status).toBe('failed')
    expect(seen).toContainEqual(['task.state', expect.objectContaining({ status: 'failed' })])
    expect(result.errors).toMatchObject([
      { key: 'a', code: 'access-denied', message: expect.stringContaining('refused') },
    ])
    expectSilent({ seen, tasks, result })
  })

  it('OSS that refuses a wrong secret', async () => {
    await using double = await startOssDouble()
    const { endpoint, region } = double
    const bucket = double.createBucket()
    const options = { id: 'oss', type: 'oss' as const, endpoint, region, bucket, accessKey: double.accessKey }
    for (const wrong of [{}, { signatureVersion: 'v1' as const }]) {
      const adapter = await createAdapter({ ...options, ...wrong, secretKey: testSecret('wrong') })
      const failures = await failuresOf(adapter)
      expectSilent({ adapter, failures })
      await adapter.close()
    }
  })
})

await withMinio((server) => {
  it.each(['s3', 'minio', 'rustfs'] as const)(
    '%s shows no secret: wrong ones, and keys without rights',
    async (type) => {
      const bucket = await freshBucket(server)
      const { endpoint, region } = server
      const user = await createMinioUser(server, 'diagnostics')
      for (const dataPath of ['lean', 'sdk'] as const) {
        const options = { id: 'lan', type, endpoint, region, bucket: bucket.name, pathStyle: true, dataPath }
        for (const own of [
          { accessKey: server.accessKey, secretKey: testSecret('wrong') },
          { accessKey: user.accessKey, secretKey: user.secretKey },
        ]) {
          const adapter = await createAdapter({ ...options, ...own })
          const failures = await failuresOf(adapter)
          expectSilent({ adapter, failures })
          await adapter.close()
        }
      }
    },
  )
})

await withPostgres((server) => {
  it('a catalog in PostgreSQL shows no secret, in use and out of reach', async () => {
    const schema = `secrets_${process.pid}`
    const catalog = await openCatalog({ type: 'postgres', url: server.url, schema })
    onTestFinished(() => catalog.close())
    await catalog.datasets.catalogId()
    expectSilent({ catalog })
    const url = server.url.replace(/:\d+\//, `:${await freePort()}/`)
    const error = await openCatalog({ type: 'postgres', url }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'unavailable' })
    expectSilent({ error })
  })
})
