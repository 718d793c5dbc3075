import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory, presignHandler } from '@stowage/adapters/memory'
import { minio } from '@stowage/adapters/minio'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { BLOCK_SIZE, type Clock, digestOf, type StorageAdapter, systemClock } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { freshBucket, startProgram, tempDir, testKey, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from '../../app/create.ts'
import { GRACE, STREAM_SILENCE } from './notes.ts'

const presign = { baseUrl: 'http://files.example/objects', secret: testKey('presign').toString('base64') }
const bytes = Buffer.from('some bytes')
const { digest, size } = digestOf(bytes)
const DAY = 24 * 3_600_000

/** The machine's clock, set on by the test. */
function movable(): Clock & { offset: number } {
  const clock = {
    offset: 0,
    now: () => Date.now() + clock.offset,
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms, signal),
  }
  return clock
}

async function world() {
  const clock = movable()
  const store = memory({ id: 'store', presign, clock })
  const catalog: Catalog = await openCatalog({ type: 'memory' }, { clock })
  const stowage = await createStowage(
    { sources: [{ id: 'store', type: 'memory', isPublic: true }] },
    { background: false, adapters: { store }, catalog, clock },
  )
  const { datasets } = stowage.as({ userId: 'ada', userType: 'external' })
  const cats = await datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  const serve = presignHandler([store], { ...presign, clock })
  const send = async ({ url, headers }: { url: string; headers: Record<string, string> }, body: Buffer) => {
    const length = { 'content-length': String(body.length) }
    const init = { method: 'PUT', headers: { ...headers, ...length }, body: Uint8Array.from(body) }
    return (await serve(new Request(url, init))).status
  }
  const notes = () => catalog.sync.list(`draft/${draft.id}/`)
  return { clock, store, catalog, stowage, cats, draft, send, notes, root: draft.draft.path }
}

async function keysOf(adapter: StorageAdapter, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const page of adapter.list({ prefix })) keys.push(...page.objects.map(({ key }) => key))
  return keys
}

it('uploads by URL go when their URLs have expired for good, and not before', async () => {
  const w = await world()
  const one = await w.draft.signUpload('one', { size, digest, expiresIn: 600 })
  await w.draft.signUpload('parts', { size, digest, partSize: 4, expiresIn: 600 })
  const kept = await w.draft.signUpload('kept', { size, digest, expiresIn: 7 * 24 * 3600 })
  if (one.kind === 'single') expect(await w.send(one.request, bytes)).toBe(200)
  if (kept.kind === 'single') expect(await w.send(kept.request, bytes)).toBe(200)
  w.clock.offset = 600_000 + GRACE - 60_000
  expect(await w.stowage.sweepDrafts()).toEqual({ uploads: 0, objects: 0, drafts: [], failed: [] })
  w.clock.offset += 120_000
  expect(await w.stowage.sweepDrafts()).toMatchObject({ uploads: 2, failed: [] })
  expect(await keysOf(w.store, w.root)).toEqual([`${w.root}${w.draft.id}/kept`])
  expect(await w.store.multipart.list(`${w.root}${w.draft.id}/parts`)).toEqual([])
  await expectCode(w.draft.acceptUpload('one'), 'not-found')
  await w.draft.acceptUpload('kept')
  expect(await w.notes()).toEqual([])
  await w.cats.publish(w.draft)
  w.clock.offset += 30 * DAY
  expect(await w.stowage.sweepDrafts({ olderThan: 0 })).toEqual({ uploads: 0, objects: 0, drafts: [], failed: [] })
  expect(await keysOf(w.store, `${w.root}${w.draft.id}`)).toHaveLength(1)
})

it('what is sent to the URL of a refused upload goes later, also when the draft was published meanwhile', async () => {
  const w = await world()
  const first = await w.draft.signUpload('a', { size, digest })
  if (first.kind !== 'single') throw new Error('not one PUT')
  await w.send(first.request, Buffer.from('other byte'))
  await expectCode(w.draft.acceptUpload('a'), 'integrity')
  const second = await w.draft.signUpload('a', { size, digest })
  if (second.kind === 'single') await w.send(second.request, bytes)
  await w.draft.acceptUpload('a')
  await w.cats.publish(w.draft)
  expect(await w.send(first.request, bytes)).toBe(200)
  w.clock.offset = 3_600_000 + GRACE + 1000
  expect(await w.stowage.sweepDrafts()).toMatchObject({ uploads: 1, failed: [] })
  expect(await keysOf(w.store, `${w.root}${w.draft.id}`)).toEqual([`${w.root}${w.draft.id}.2/a`])
  expect(await w.notes()).toEqual([])
})

it('a draft that nobody adds to is given up with all that lies under it, a late writer included', async () => {
  const w = await world()
  await w.draft.put('a', bytes)
  const other = await w.cats.draft()
  w.clock.offset = 8 * DAY
  await other.draft.put('fresh', bytes)
  expect(await w.stowage.sweepDrafts()).toMatchObject({ drafts: [w.draft.id], objects: 1, failed: [] })
  await expectCode(w.cats.resumeDraft(w.draft.id), 'conflict')
  // It did not know that its draft is closed: what it wrote is not kept.
  await expectCode(w.draft.put('late', bytes), 'conflict')
  expect(await keysOf(w.store, `${w.root}${w.draft.id}`)).toHaveLength(1)
  expect(await w.stowage.sweepDrafts()).toMatchObject({ drafts: [], objects: 1 })
  expect(await w.notes()).toHaveLength(1)
  w.clock.offset += GRACE + 1000
  await w.stowage.sweepDrafts()
  expect(await w.notes()).toEqual([])
  expect(await keysOf(w.store, `${w.root}${other.draft.id}/`)).toHaveLength(1)
})

it('a draft with an upload by URL that can still be sent is not given up', async () => {
  const w = await world()
  w.clock.offset = 8 * DAY
  await w.draft.signUpload('a', { size, digest })
  expect(await w.stowage.sweepDrafts()).toMatchObject({ drafts: [], failed: [] })
  w.clock.offset += 3_600_000 + GRACE + 1000
  expect(await w.stowage.sweepDrafts()).toMatchObject({ drafts: [w.draft.id], failed: [] })
})

it('unfinished uploads of a folder go with their draft', async () => {
  const w = await world()
  const folder = tempDir('abandoned')
  writeFileSync(join(folder, 'large'), Buffer.alloc(4 * BLOCK_SIZE, 'large'))
  const stop = new AbortController()
  const { uploadPart } = w.store.multipart
  let sent = 0
  w.store.multipart.uploadPart = async (...args) => {
    const part = await uploadPart.apply(w.store.multipart, args)
    if (++sent === 2) stop.abort()
    return part
  }
  await expectCode(w.draft.uploadFolder(folder, { signal: stop.signal, concurrency: 1 }), 'aborted')
  const key = `${w.root}${w.draft.id}/large`
  expect(await w.store.multipart.list(key)).toHaveLength(1)
  w.clock.offset = 8 * DAY
  expect(await w.stowage.sweepDrafts()).toMatchObject({ drafts: [w.draft.id], uploads: 1, failed: [] })
  expect(await w.store.multipart.list(key)).toEqual([])
})

it('a source that is away fails for its own drafts only, and is tried again', async () => {
  const w = await world()
  await w.draft.put('a', bytes)
  w.clock.offset = 8 * DAY
  const { list } = w.store
  w.store.list = () => {
    throw new Error('gone')
  }
  const swept = await w.stowage.sweepDrafts()
  expect(swept.failed.map(({ draftId }) => draftId)).toEqual([w.draft.id])
  w.store.list = list
  expect(await w.stowage.sweepDrafts()).toMatchObject({ objects: 1, failed: [] })
  await expectCode(w.stowage.sweepDrafts({ olderThan: -1 }), 'invalid-request')
  await expectCode(w.stowage.sweepDrafts({ signal: AbortSignal.abort() }), 'aborted')
})

/** Puts a stream that never ends, says so once parts of it were sent, and waits to be killed. */
const program = `
const app = await stowage.createStowage(JSON.parse(args[0]), { background: false })
const cats = await app.as({ userId: 'ada' }).datasets.create({ name: 'cats' })
const { draft } = await cats.draft()
async function* endless() {
  for (let i = 0; i < 5; i++) yield Buffer.alloc(8 * 1024 * 1024, 'endless')
  console.log(draft.draft.path + draft.id)
  setInterval(() => undefined, 1000)
  await new Promise(() => undefined)
}
await draft.put('stream', endless())
`

await withMinio((server) => {
  it('killed with -9 in the middle of a stream: its upload is found by what was written down, and goes', async () => {
    const bucket = (await freshBucket(server)).name
    const { endpoint, accessKey, secretKey } = server
    const source = { id: 'store', type: 'minio' as const, endpoint, bucket, accessKey, secretKey }
    const config = {
      sources: [source],
      catalog: { type: 'sqlite' as const, path: join(tempDir('killed'), 'catalog.db') },
    }
    const doomed = startProgram(program, [JSON.stringify(config)], { cwd: import.meta.dirname })
    const prefix = await doomed.line(0)
    expect(prefix).toContain('datasets/')
    await doomed.kill()

    const adapter = minio(source)
    expect(await adapter.multipart.list(`${prefix}/stream`)).toHaveLength(1)
    const clock = movable()
    const stowage = await createStowage(config, { background: false, clock })
    expect(await stowage.sweepDrafts()).toMatchObject({ uploads: 0, failed: [] })
    clock.offset = STREAM_SILENCE + 60_000
    expect(await stowage.sweepDrafts()).toEqual({ uploads: 1, objects: 0, drafts: [], failed: [] })
    expect(await adapter.multipart.list(`${prefix}/stream`)).toEqual([])
    await stowage.close()
    await adapter.close()
  })
})
