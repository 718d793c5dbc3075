import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { filesystem } from '@stowage/adapters/filesystem'
import { memory } from '@stowage/adapters/memory'
import { openCatalog } from '@stowage/catalog'
import { BLOCK_SIZE, digestOf, type StorageAdapter } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { tempDir, testKey } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../../app/create.ts'
import type { Stowage } from '../../app/stowage.ts'
import type { DocumentEnd, DocumentFile, DocumentHeader } from './document.ts'

const presign = { baseUrl: 'http://127.0.0.1:1/files/', secret: testKey('url').toString('base64') }
const large = Buffer.alloc(BLOCK_SIZE + 1000, 5)

interface World {
  stowage: Stowage
  datasetId: string
  root: string
  folder: string
  draftId: string
  adapters: Record<string, StorageAdapter>
}

/** Three sources: `disk`, a folder; `signs`, in memory with URLs; `mute`, which gives neither URLs nor paths. */
async function world(): Promise<World> {
  const root = tempDir('disk')
  const folder = tempDir('folder')
  mkdirSync(join(folder, 'train'))
  for (let i = 0; i < 5; i++) writeFileSync(join(folder, 'train', `${i}.txt`), `file ${i}`)
  writeFileSync(join(folder, 'model.bin'), large)
  const adapters = {
    disk: filesystem({ id: 'disk', root }),
    signs: memory({ id: 'signs', presign }),
    mute: memory({ id: 'mute' }),
  }
  const stowage = await createStowage(
    {
      sources: [
        { id: 'disk', type: 'filesystem', root, region: 'here' },
        { id: 'signs', type: 'memory', region: 'there' },
        { id: 'mute', type: 'memory', region: 'there' },
      ],
      routing: {
        regions: { distances: { here: { there: 30 } } },
        nodes: {
          gpu: { region: 'there', mounts: ['disk'] },
          bucket: { region: 'there', mounts: { signs: '/mnt/signs/' } },
          bare: { region: 'here' },
        },
      },
      policies: [
        { id: 'a', on: 'publish', from: 'disk', to: 'signs' },
        { id: 'b', on: 'publish', from: 'disk', to: 'mute' },
      ],
    },
    { background: false, adapters },
  )
  onTestFinished(() => stowage.close())
  const { datasets } = stowage.as({ userId: 'bob', region: 'here' })
  const data = await datasets.create({ name: 'data' })
  const { draftId } = await data.upload(folder)
  await stowage.runPolicies()
  return { stowage, datasetId: data.id, root, folder, draftId, adapters }
}

function datasetsOf({ stowage }: World) {
  return stowage.as({ workspaceId: 'w' }).datasets
}

type Row = DocumentHeader & DocumentFile & DocumentEnd

async function rowsOf(stream: AsyncIterable<Uint8Array>): Promise<Row[]> {
  const lines = (await text(stream as never)).split('\n')
  expect(lines.pop()).toBe('')
  return lines.map((line) => JSON.parse(line) as Row)
}

describe('access by url', () => {
  it('gives URLs in the order of the routing, and says who gives none', async () => {
    const it = await world()
    const access = await datasetsOf(it).access(it.datasetId, {
      mode: 'url',
      path: 'train/1.txt',
      node: 'gpu',
      expiresIn: 60,
    })
    expect(access.decision.candidates[0]?.sourceId).toBe('disk')
    expect(access.alternatives).toMatchObject([{ sourceId: 'signs' }])
    expect(access.alternatives[0]?.url).toContain('http://127.0.0.1:1/files/')
    expect(access.without.map(({ sourceId }) => sourceId).sort()).toEqual(['disk', 'mute'])
    expect(access).toMatchObject({ path: 'train/1.txt', size: 6, digest: digestOf(Buffer.from('file 1')).digest })
  })

  it('says when each source was last seen to serve, as far as this process knows', async () => {
    const clock = new FakeClock()
    const catalog = await openCatalog({ type: 'memory' }, { clock })
    const adapters = { near: memory({ id: 'near', presign }), far: memory({ id: 'far', presign }) }
    const open = async (): Promise<Stowage> => {
      const config = { sources: Object.keys(adapters).map((id, i) => ({ id, type: 'memory' as const, priority: i })) }
      const stowage = await createStowage(config, { background: false, clock, catalog, adapters })
      onTestFinished(() => stowage.close())
      return stowage
    }
    const folder = tempDir('checked')
    writeFileSync(join(folder, 'a.txt'), 'a')
    const first = await open()
    const data = await first.as({ userId: 'bob', userType: 'internal' }).datasets.create({ name: 'data' })
    await data.upload(folder)
    await first.replicate(data.id, 1, 'far')
    await clock.advance(3_600_000)

    const second = await open()
    const seen = async () => {
      const { datasets } = second.as({ workspaceId: 'w' })
      const { alternatives } = await datasets.access(data.id, { mode: 'url', path: 'a.txt' })
      return Object.fromEntries(alternatives.map(({ sourceId, checkedAt }) => [sourceId, checkedAt]))
    }
    // The manifest came from the near one.
    const before = clock.now()
    expect(await seen()).toEqual({ near: before, far: undefined })
    await clock.advance(1000)
    await second.sources.probe('far')
    const probed = clock.now()
    await clock.advance(1000)
    expect(await seen()).toEqual({ near: before, far: probed })
  })

  it('refuses what makes no sense', async () => {
    const it = await world()
    const ask = (options: object) => datasetsOf(it).access(it.datasetId, options as never)
    expect(await expectCode(ask({ mode: 'url' }), 'invalid-request')).toMatchObject({ field: 'path' })
    expect(await expectCode(ask({ mode: 'stream' }), 'invalid-request')).toMatchObject({ field: 'path' })
    expect(await expectCode(ask({ mode: 'ftp', path: 'x' }), 'invalid-request')).toMatchObject({ field: 'mode' })
    expect(await expectCode(ask({ mode: 'manifest', limit: 0 }), 'invalid-request')).toMatchObject({ field: 'limit' })
    expect(await expectCode(ask({ mode: 'mount', node: 'x' }), 'invalid-request')).toMatchObject({ field: 'node' })
    await expectCode(ask({ mode: 'manifest', expiresIn: 0 }), 'invalid-request')
    await expectCode(ask({ mode: 'url', path: 'train/1.txt', expiresIn: 604_801 }), 'invalid-request')
    await expectCode(ask({ mode: 'url', path: 'train/9.txt' }), 'not-found')
  })
})

describe('access by mount', () => {
  it('gives the paths on the node that asks', async () => {
    const it = await world()
    const ask = (node?: string) =>
      datasetsOf(it).access(it.datasetId, { mode: 'mount', path: 'train/1.txt', ...(node ? { node } : {}) })
    const key = `datasets/${it.datasetId}/${it.draftId}/train/1.txt`
    expect((await ask('gpu')).alternatives).toEqual([{ sourceId: 'disk', mountPath: join(it.root, key) }])
    expect((await ask('bucket')).alternatives).toEqual([{ sourceId: 'signs', mountPath: `/mnt/signs/${key}` }])
    const here = await ask()
    expect(readFileSync(here.alternatives[0]?.mountPath as string, 'utf8')).toBe('file 1')
    const error = await expectCode(ask('bare'), 'not-supported')
    expect(error.hint).toContain('"disk" is not mounted on node "bare"')
  })

  it('gives a folder of a version that lies flat, and says when it does not', async () => {
    const it = await world()
    const datasets = datasetsOf(it)
    const access = await datasets.access(it.datasetId, { mode: 'mount', node: 'gpu' })
    expect(access.alternatives).toEqual([
      { sourceId: 'disk', mountPath: join(it.root, 'datasets', it.datasetId, it.draftId, '/') },
    ])
    expect(access.without.map(({ sourceId }) => sourceId).sort()).toEqual(['mute', 'signs'])
    expect(readFileSync(join(access.alternatives[0]?.mountPath as string, 'train/1.txt'), 'utf8')).toBe('file 1')

    writeFileSync(join(it.folder, 'train', '9.txt'), 'file 9')
    rmSync(join(it.folder, 'model.bin'))
    const bob = it.stowage.as({ userId: 'bob', region: 'here' })
    await (await bob.datasets.get(it.datasetId)).upload(it.folder)
    const error = await expectCode(datasets.access(it.datasetId, { mode: 'mount', node: 'gpu' }), 'not-supported')
    expect(error.hint).toContain('disk: this version is spread over several folders; materialize it')
    expect((await datasets.access(it.datasetId, { mode: 'mount', node: 'gpu', version: 1 })).version).toBe(1)
  })
})

describe('access by stream', () => {
  it('is a read that survives its source, and tells the order', async () => {
    const it = await world()
    const access = await datasetsOf(it).access(it.datasetId, {
      mode: 'stream',
      path: 'train/1.txt',
      node: 'gpu',
      range: { start: 5 },
    })
    expect(access.alternatives[0]?.sourceId).toBe('disk')
    expect(access.alternatives).toHaveLength(3)
    expect(await text(access.file.stream)).toBe('1')
  })
})

describe('access by manifest', () => {
  it('names every file with its ways, between a header and an end', async () => {
    const it = await world()
    const access = await datasetsOf(it).access(it.datasetId, { mode: 'manifest', node: 'gpu', expiresIn: 600 })
    expect(access.alternatives).toMatchObject([{ sourceId: 'disk' }, { sourceId: 'signs' }])
    expect(access.without).toMatchObject([{ sourceId: 'mute' }])
    const [header, ...rest] = await rowsOf(access.stream)
    const end = rest.pop()
    const mount = join(it.root, 'datasets', it.datasetId, '/')
    expect(header).toMatchObject({
      kind: 'stowage-access-manifest',
      format: 1,
      version: 1,
      fileCount: 6,
      blockSize: BLOCK_SIZE,
      prefix: '',
      after: null,
      replicas: [
        { source: 'disk', region: 'here', mount },
        { source: 'signs', region: 'there' },
      ],
    })
    const lasts = (header?.expiresAt ?? 0) - (header?.createdAt ?? 0)
    expect(Math.abs(lasts - 600_000)).toBeLessThan(60_000)
    expect(end).toEqual({ end: true, files: 6 })
    expect(rest.map(({ path }) => path)).toEqual(['model.bin', ...[0, 1, 2, 3, 4].map((i) => `train/${i}.txt`)])
    const [model, first] = rest
    expect(first?.at).toEqual([1, expect.stringContaining('http://127.0.0.1:1/files/')])
    expect(first?.blocks).toBeUndefined()
    expect(readFileSync(mount + first?.key, 'utf8')).toBe('file 0')
    expect(model).toMatchObject({ size: large.length, digest: digestOf(large).digest })
    expect(digestOf(readFileSync(mount + model?.blocks?.key)).digest).toBe(model?.digest)
    expect(model?.blocks?.at[1]).toContain('http://127.0.0.1:1/files/')
  })

  it('without a node it has URLs alone', async () => {
    const it = await world()
    const { stream, alternatives } = await datasetsOf(it).access(it.datasetId, { mode: 'manifest' })
    expect(alternatives.map(({ sourceId }) => sourceId)).toEqual(['signs'])
    const rows = await rowsOf(stream)
    expect(rows[1]?.key).toBeUndefined()
    expect(rows[1]?.at).toHaveLength(1)
  })

  it('comes in pages, by prefix, position and limit', async () => {
    const it = await world()
    const paths: string[] = []
    let after: string | undefined
    for (let page = 0; ; page++) {
      const { stream } = await datasetsOf(it).access(it.datasetId, {
        mode: 'manifest',
        prefix: 'train/',
        limit: 2,
        ...(after === undefined ? {} : { after }),
      })
      const [header, ...rest] = await rowsOf(stream)
      const end = rest.pop()
      expect(header?.after).toBe(after ?? null)
      expect(end?.files).toBe(rest.length)
      paths.push(...rest.map(({ path }) => path))
      after = end?.next
      expect(page).toBeLessThan(3)
      if (after === undefined) break
    }
    expect(paths).toEqual([0, 1, 2, 3, 4].map((i) => `train/${i}.txt`))
  })

  it('leaves a replica out for the files that are damaged there, unless nothing else is left', async () => {
    const it = await world()
    const datasets = datasetsOf(it)
    const path = `datasets/${it.datasetId}/${it.draftId}/train/2.txt`
    writeFileSync(join(it.root, path), 'wrong!')
    await it.stowage.verifyDataset(it.datasetId)
    const way = async () => {
      const { stream } = await datasets.access(it.datasetId, { mode: 'manifest', node: 'gpu', prefix: 'train/2' })
      return (await rowsOf(stream))[1]?.at
    }
    expect(await way()).toEqual([null, expect.any(String)])
    await it.adapters['signs']?.put(path, Buffer.from('wrong!'))
    await it.stowage.verifyDataset(it.datasetId)
    expect(await way()).toEqual([1, expect.any(String)])
  })

  it('stops in the middle when the signal fires, without an end', async () => {
    const it = await world()
    const stop = new AbortController()
    const { stream } = await datasetsOf(it).access(it.datasetId, { mode: 'manifest', signal: stop.signal })
    stop.abort()
    await expectCode(text(stream), 'aborted')
  })
})
