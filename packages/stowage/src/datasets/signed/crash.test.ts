import { memory, presignHandler } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import {
  BLOCK_SIZE,
  type Clock,
  digestOf,
  type PresignedRequest,
  type StorageAdapter,
  StowageError,
} from '@stowage/core'
import { type Caller, Life, mortal, seededRandom } from '@stowage/core/testing'
import { runs, testKey } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { createStowage } from '../../app/create.ts'
import type { Stowage } from '../../app/stowage.ts'
import type { OpenDraft } from '../draft.ts'
import { GRACE } from './notes.ts'

const presign = { baseUrl: 'http://files.example/objects', secret: testKey('presign').toString('base64') }
const large = Buffer.alloc(BLOCK_SIZE + 7, 'stowage ')
const small = Buffer.from('small')
const wrong = Buffer.from('wrong')
const PART = 5 * 1024 * 1024

interface World {
  catalog: Catalog
  store: StorageAdapter
  clock: Clock & { offset: number }
  send(request: PresignedRequest, body: Uint8Array): Promise<number>
}

async function world(): Promise<World> {
  const clock = {
    offset: 0,
    now: () => Date.now() + clock.offset,
    sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
  }
  const store = memory({ id: 'store', presign })
  store.close = async () => undefined
  const serve = presignHandler([store], presign)
  return {
    catalog: await openCatalog({ type: 'memory' }, { clock }),
    store,
    clock,
    send: async ({ url, method, headers }, body) => {
      const length = { 'content-length': String(body.length) }
      const answer = await serve(
        new Request(url, { method, headers: { ...headers, ...length }, body: Uint8Array.from(body) }),
      )
      await answer.text()
      return answer.status
    },
  }
}

function open(w: World, seed: number, life?: Caller): Promise<Stowage> {
  const wrap = <T extends object>(target: T, name: string) => (life === undefined ? target : mortal(target, name, life))
  return createStowage(
    { sources: [{ id: 'store', type: 'memory', isPublic: true }] },
    {
      background: false,
      clock: w.clock,
      random: seededRandom(seed),
      adapters: { store: wrap(w.store, 'store') },
      catalog: {
        ...w.catalog,
        datasets: wrap(w.catalog.datasets, 'catalog'),
        sync: wrap(w.catalog.sync, 'records'),
      },
    },
  )
}

const ada = { userId: 'ada', userType: 'external' } as const

/** The draft that every process works on, which is there from the beginning. */
async function draftOf(w: World, stowage: Stowage): Promise<OpenDraft> {
  const cats = await stowage.as(ada).datasets.get('cats')
  const [draft] = await w.catalog.datasets.listDrafts(cats.id)
  return cats.resumeDraft(draft?.id ?? '')
}

async function begin(w: World): Promise<void> {
  const stowage = await open(w, 1)
  await (await stowage.as(ada).datasets.create({ name: 'cats' })).draft()
  await stowage.close()
}

/** Signs, sends and accepts a file; what was sent already is not minded. */
async function send(w: World, draft: OpenDraft, path: string, bytes: Buffer, as: Buffer = bytes): Promise<void> {
  const { digest, size, blocks } = digestOf(as)
  const { catalog } = w
  if ((await catalog.datasets.getDraftFile(draft.id, path)) === undefined) {
    const signed = await draft.signUpload(path, { size, digest, blocks, partSize: PART }).catch((error) => {
      // Found right before, by a process that died then.
      if (error.code !== 'conflict') throw error
    })
    if (signed?.kind === 'single') expect([200, 412]).toContain(await w.send(signed.request, bytes))
    if (signed?.kind === 'parts') {
      for (const part of signed.parts) await w.send(part, bytes.subarray(part.start, part.start + part.size))
    }
  }
  await draft.acceptUpload(path)
}

/** All of it: a small file, a large one in parts, a refused one, one that is given up, a stream in parts. */
async function work(w: World, stowage: Stowage): Promise<void> {
  const draft = await draftOf(w, stowage)
  await send(w, draft, 'small', small)
  await send(w, draft, 'large', large)
  await send(w, draft, 'refused', wrong, small).then(
    () => expect.fail('wrong bytes were accepted'),
    (error) => {
      if (error.code !== 'integrity') throw error
    },
  )
  await draft.signUpload('given up', { size: large.length, digest: digestOf(large).digest, partSize: PART })
  await draft.cancelUpload('given up')
  const stream = Buffer.alloc(2 * BLOCK_SIZE + 1, 'stream ')
  await draft.put('stream', stream)
  const handle = await stowage.as(ada).datasets.get('cats')
  await handle.publish(draft)
}

async function uploadsOf(w: World, draftId: string, root: string): Promise<string[]> {
  const found: string[] = []
  for (const path of ['small', 'large', 'refused', 'given up', 'stream']) {
    for (const attempt of ['', '.2', '.3']) {
      found.push(...(await w.store.multipart.list(`${root}${draftId}${attempt}/${path}`)).map(({ key }) => key))
    }
  }
  return found
}

async function keysOf(w: World, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const page of w.store.list({ prefix })) keys.push(...page.objects.map(({ key }) => key))
  return keys
}

async function notesOf(w: World): Promise<string[]> {
  return w.catalog.sync.list('draft/')
}

async function read(stowage: Stowage, id: string, path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of (await stowage.as(ada).datasets.open(id, path)).stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe.each([
  ['before it has an effect', false],
  ['after it had one', true],
] as const)('a process that is killed at any call, %s', (_, effect) => {
  it('is continued by calling again, and nothing that was begun outlives a sweep', async () => {
    let died = 0
    const step = runs(13, 1)
    for (let n = effect ? 3 : 1; ; n += step) {
      const w = await world()
      await begin(w)
      const life = new Life(n, effect)
      let note = ''
      const first = await open(w, 2, life).catch(() => undefined)
      try {
        if (first !== undefined) await work(w, first)
      } catch (error) {
        expect(life.dead, `call ${n}: ${error}`).toBe(true)
      }
      note = `killed at call ${n}: ${life.last}`
      if (!life.dead) break
      died++
      const second = await open(w, 3)
      const cats = await second.as(ada).datasets.get('cats')
      const [left] = await w.catalog.datasets.listDrafts(cats.id)
      if (left !== undefined) {
        await work(w, second).catch((error) => {
          throw new Error(`${note}: ${error}`, { cause: error })
        })
      }
      expect(await w.catalog.datasets.listVersions(cats.id), note).toHaveLength(1)
      expect((await read(second, cats.id, 'small')).equals(small), note).toBe(true)
      expect((await read(second, cats.id, 'large')).equals(large), note).toBe(true)
      const draftId = (await w.store.list({ prefix: 'datasets/' })[Symbol.asyncIterator]().next()).value?.objects
        .map(({ key }: { key: string }) => key.split('/')[2] ?? '')
        .find((id: string) => /^[0-9a-z]{26}$/.test(id)) as string
      w.clock.offset += 2 * GRACE + 3_600_000
      const swept = await second.sweepDrafts()
      expect(swept.failed, note).toEqual([])
      expect(await notesOf(w), note).toEqual([])
      expect(await uploadsOf(w, draftId, `datasets/${cats.id}/`), note).toEqual([])
      const keys = (await keysOf(w, `datasets/${cats.id}/${draftId}`)).map((key) => key.split('/').at(-1))
      expect(keys.sort(), note).toEqual(['large', 'small', 'stream'])
      expect((await read(second, cats.id, 'large')).equals(large), note).toBe(true)
      await second.close()
      await w.catalog.close()
    }
    expect(died).toBeGreaterThan(80 / step)
  }, 900_000)

  it('leaves nothing when nobody goes on: the draft is given up, and its uploads and objects go', async () => {
    for (let n = effect ? 5 : 2; ; n += runs(23, 2)) {
      const w = await world()
      await begin(w)
      const life = new Life(n, effect)
      const first = await open(w, 2, life).catch(() => undefined)
      if (first !== undefined) await work(w, first).catch(() => undefined)
      if (!life.dead) break
      const note = `killed at call ${n}: ${life.last}`
      const second = await open(w, 3)
      const cats = await second.as(ada).datasets.get('cats')
      const [left] = await w.catalog.datasets.listDrafts(cats.id)
      if (left === undefined) break
      expect((await second.sweepDrafts({ olderThan: 0 })).failed, note).toEqual([])
      w.clock.offset += 26 * 3_600_000
      expect((await second.sweepDrafts({ olderThan: 1000 })).drafts.length + (await discarded(w, left.id)), note).toBe(
        1,
      )
      expect(await keysOf(w, `datasets/${cats.id}/${left.id}`), note).toEqual([])
      expect(await uploadsOf(w, left.id, `datasets/${cats.id}/`), note).toEqual([])
      w.clock.offset += 2 * GRACE
      await second.sweepDrafts()
      await second.sweepDrafts()
      expect(await notesOf(w), note).toEqual([])
      await second.close()
      await w.catalog.close()
    }
  }, 900_000)
})

describe.each([
  ['before it has an effect', false],
  ['after it had one', true],
] as const)('a call that fails once, %s', (_, effect) => {
  it.each(['unavailable', 'access-denied'] as const)(
    'with %s, loses nothing: the same process calls again and comes to the same end',
    async (code) => {
      for (let n = effect ? 2 : 1; ; n += runs(29, 1)) {
        const w = await world()
        await begin(w)
        let left = n
        let failed = ''
        const life = {
          call: async <T>(name: string, run: () => T | Promise<T>): Promise<T> => {
            if (--left !== 0) return run()
            failed = name
            if (effect) await run()
            throw new StowageError(code, 'it failed')
          },
        }
        const stowage = await open(w, 2, life).catch(() => undefined)
        if (stowage === undefined) continue
        const note = () => `failed at call ${n}: ${failed}`
        const cats = await w.catalog.datasets.findDatasets('cats')
        const id = cats[0]?.id ?? ''
        const [left0] = await w.catalog.datasets.listDrafts(id)
        await work(w, stowage).catch(() => undefined)
        if (left > 0) break
        left = Number.POSITIVE_INFINITY
        if ((await w.catalog.datasets.listVersions(id)).length === 0) {
          await work(w, stowage).catch((error) => {
            throw new Error(`${note()}: ${error}`, { cause: error })
          })
        }
        expect((await read(stowage, id, 'small')).equals(small), note()).toBe(true)
        expect((await read(stowage, id, 'large')).equals(large), note()).toBe(true)
        w.clock.offset += 26 * 3_600_000
        expect((await stowage.sweepDrafts()).failed, note()).toEqual([])
        expect(await notesOf(w), note()).toEqual([])
        expect(await uploadsOf(w, left0?.id ?? '', `datasets/${id}/`), note()).toEqual([])
        await stowage.close()
        await w.catalog.close()
      }
    },
    900_000,
  )
})

/** 1 when an earlier sweep had given it up already. */
async function discarded(w: World, id: string): Promise<number> {
  const draft = await w.catalog.datasets.getDraft(id)
  return draft?.status === 'discarded' && draft.updatedAt < w.clock.now() - 3_600_000 ? 1 : 0
}
