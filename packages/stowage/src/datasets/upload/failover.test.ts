import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { BLOCK_SIZE, type StorageAdapter, StowageError, type UploadFailover } from '@stowage/core'
import { seededRandom } from '@stowage/core/testing'
import { runs, tempDir } from '@stowage/test-support'
import { beforeEach, describe, expect, it } from 'vitest'
import { createStowage } from '../../app/create.ts'
import type { Stowage } from '../../app/stowage.ts'

const MIB = 1024 * 1024
const ada = { userId: 'ada', userType: 'external' } as const
const large = Buffer.alloc(2 * BLOCK_SIZE + 7, 'stowage ')
/** Of more than one part. */
const long = Buffer.alloc(runs(17, 40) * MIB, 'a long one ')

/** A source that goes down for good at one of its calls: before it is done, or when it is done and its answer is lost. */
function mortal(adapter: StorageAdapter) {
  const life = { calls: 0, dies: Number.POSITIVE_INFINITY, afterwards: false, hangs: false }
  const down = () => new StowageError('unavailable', 'It is down.', { sourceId: adapter.id })
  const refuse = async (signal: AbortSignal | undefined): Promise<never> => {
    if (!life.hangs) throw down()
    return new Promise((_, reject) => {
      const abort = () => reject(new StowageError('aborted', 'aborted'))
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  }
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const value = Reflect.get(target, name)
        if (name === 'multipart') return wrap(value as object)
        if (typeof value !== 'function' || name === 'mountPath' || name === 'locate') return value
        const call = value.bind(target)
        const signalOf = (args: unknown[]) =>
          args.map((arg) => (arg as { signal?: AbortSignal } | null)?.signal).find((signal) => signal !== undefined)
        if (name === 'probe') {
          return async (...args: unknown[]) => {
            if (life.calls < life.dies) return call(...args)
            if (life.hangs) return refuse(signalOf(args))
            return { ok: false, latencyMs: 0, error: down() }
          }
        }
        if (target === adapter && (name === 'list' || name === 'watch')) {
          return async function* (...args: unknown[]) {
            if (++life.calls >= life.dies) await refuse(signalOf(args))
            yield* call(...args)
          }
        }
        if (name === 'close') return async () => undefined
        return async (...args: unknown[]) => {
          const isLast = ++life.calls === life.dies
          if (life.calls > life.dies || (isLast && !life.afterwards)) return refuse(signalOf(args))
          const result = await call(...args)
          if (isLast) return refuse(signalOf(args))
          return result
        }
      },
    })
  return { adapter: wrap(adapter), life, bare: adapter }
}

interface World {
  a: ReturnType<typeof mortal>
  b: StorageAdapter
  catalog: Catalog
  stowage: Stowage
  failovers: UploadFailover[]
  time: { offset: number }
  close(): Promise<void>
}

async function world(): Promise<World> {
  const a = mortal(lasting(memory({ id: 'a' })))
  const b = lasting(memory({ id: 'b' }))
  const time = { offset: 0 }
  // Retries and the last second of a run that is stopped come soon, heartbeats never.
  const clock = {
    now: () => Date.now() + time.offset,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve, ms > 1100 ? 2 ** 30 : Math.min(ms, 20))
        const abort = () => {
          clearTimeout(timer)
          reject(new StowageError('aborted', 'aborted'))
        }
        if (signal?.aborted) abort()
        else signal?.addEventListener('abort', abort, { once: true })
      }),
  }
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const quick = seededRandom(7)
  const stowage = await createStowage(
    {
      sources: [
        { id: 'a', type: 'memory', isPublic: true },
        { id: 'b', type: 'memory', isPublic: true },
      ],
      routing: { rules: [{ id: 'first', when: { purpose: 'write' }, then: { prefer: ['a'] } }] },
    },
    {
      background: false,
      catalog,
      clock,
      random: { next: () => quick.next() / 2, id: (now) => quick.id(now) },
      adapters: { a: a.adapter, b },
    },
  )
  const failovers: UploadFailover[] = []
  stowage.events.on('upload.failover', (event) => failovers.push(event))
  const close = async () => {
    await stowage.close()
    await catalog.close()
  }
  return { a, b, catalog, stowage, failovers, time, close }
}

/** What the catalog says of the version holds, whatever died on the way. */
async function check(w: World, id: string, files: Record<string, Buffer>): Promise<string> {
  w.a.life.dies = Number.POSITIVE_INFINITY
  const [version, ...others] = await w.catalog.datasets.listVersions(id)
  expect(others).toEqual([])
  const replicas = await w.catalog.datasets.listReplicas(id, version?.number)
  expect(replicas).toMatchObject([{ status: 'ready', isPrimary: true }])
  const sourceId = replicas[0]?.sourceId as string
  const alone = await createStowage(
    { sources: [{ id: sourceId, type: 'memory', isPublic: true }] },
    {
      background: false,
      catalog: w.catalog,
      adapters: { [sourceId]: sourceId === 'a' ? w.a.bare : w.b },
    },
  )
  const { datasets } = alone.as(ada)
  for (const [path, bytes] of Object.entries(files)) {
    const chunks: Uint8Array[] = []
    for await (const chunk of (await datasets.open(id, path)).stream) chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(bytes), path).toBe(true)
  }
  await alone.close()
  return sourceId
}

/** A store outlives the processes that use it. */
function lasting(adapter: StorageAdapter): StorageAdapter {
  adapter.close = async () => undefined
  return adapter
}

/** What lies at the first source under drafts that were given up, once the sweep had its time. */
async function leftBehind(w: World): Promise<string[]> {
  w.time.offset += 30 * 24 * 3_600_000
  const swept = await w.stowage.sweepDrafts()
  expect(swept.failed).toEqual([])
  const left: string[] = []
  for (const { fromDraftId, datasetId } of w.failovers) {
    for await (const { objects } of w.a.bare.list()) {
      left.push(...objects.map(({ key }) => key).filter((key) => key.includes(fromDraftId)))
    }
    for (const name of ['large', 'long']) {
      const uploads = await w.a.bare.multipart.list(`datasets/${datasetId}/${fromDraftId}/${name}`)
      left.push(...uploads.map(({ key, uploadId }) => `${key} ${uploadId}`))
    }
  }
  return left
}

let folder: string
const files = { one: Buffer.from('1'), 'sub/two': Buffer.from('22'), large }

beforeEach(() => {
  folder = tempDir('upload')
  mkdirSync(join(folder, 'sub'))
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, path), bytes)
})

async function uploadFolder(w: World, stallMs = 500) {
  const cats = await w.stowage.as(ada).datasets.create({ name: 'cats' })
  const uploaded = await cats.upload(folder, { stallMs })
  return { id: cats.id, uploaded }
}

async function putThree(w: World, make: (bytes: Buffer) => Buffer | AsyncIterable<Uint8Array>) {
  const cats = await w.stowage.as(ada).datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  await draft.put('long', make(long))
  await cats.publish(draft)
  return cats.id
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += MIB) yield bytes.subarray(at, at + MIB)
}

describe('a folder is uploaded elsewhere when its source is lost,', () => {
  const ways = [
    { afterwards: false, hangs: false },
    { afterwards: true, hangs: false },
    { afterwards: false, hangs: true },
  ]

  it('whichever call is its last', { timeout: 600_000 }, async () => {
    let lost = 0
    // Each call in one way, and in every way at full size.
    const courses = (dies: number) => (runs(1, ways.length) === 1 ? ways.slice(dies % 3, (dies % 3) + 1) : ways)
    for (let dies = 1, isThrough = false; !isThrough; dies += runs(2, 1)) {
      for (const way of courses(dies)) {
        const w = await world()
        Object.assign(w.a.life, { dies, ...way })
        const note = `at call ${dies} ${JSON.stringify(way)}`
        const { id, uploaded } = await uploadFolder(w)
        isThrough = w.a.life.calls < dies
        if (!isThrough) lost++
        const sourceId = await check(w, id, files)
        expect(sourceId, note).toBe(uploaded.sourceId)
        expect(uploaded.failovers, note).toEqual(w.failovers)
        // Once it was published it stays: its record is written again by whoever handles the publication.
        expect(sourceId, note).toBe(w.failovers.length > 0 ? 'b' : 'a')
        expect(await leftBehind(w), note).toEqual([])
        await w.close()
      }
    }
    expect(lost).toBeGreaterThan(5)
  })

  it('and says so once, by an event', async () => {
    const w = await world()
    w.a.life.dies = 8
    const { uploaded } = await uploadFolder(w)
    expect(w.failovers).toEqual([
      expect.objectContaining({ from: 'a', to: 'b', draftId: uploaded.draftId, code: 'unavailable' }),
    ])
    expect(await w.catalog.datasets.getDraft(w.failovers[0]?.fromDraftId ?? '')).toMatchObject({ status: 'discarded' })
    expect(uploaded.decision?.candidates.map((c) => c.sourceId)).toEqual(['b'])
    await w.close()
  })

  it('unless there is no other', async () => {
    const w = await world()
    w.a.life.dies = 8
    await w.stowage.as(ada).datasets.create({ name: 'other' })
    const cats = await w.stowage.as(ada).datasets.create({ name: 'cats' })
    for (let i = 0; i < 5; i++) w.stowage.sources.report('b', { ok: false, code: 'access-denied' })
    await expect(cats.upload(folder, { stallMs: 500 })).rejects.toMatchObject({ code: 'unavailable' })
    expect(w.failovers).toEqual([])
    expect(await w.catalog.datasets.listDrafts(cats.id)).toHaveLength(1)
    await w.close()
  })
})

describe('a file is uploaded elsewhere when its source is lost,', () => {
  const bodies = {
    bytes: (bytes: Buffer) => bytes,
    'a function': (bytes: Buffer) => (() => inPieces(bytes)) as unknown as Buffer,
  }
  for (const [name, make] of Object.entries(bodies)) {
    it(`whichever call is its last, from ${name}`, async () => {
      let dies = 1
      for (; ; dies++) {
        const w = await world()
        Object.assign(w.a.life, { dies })
        const cats = await w.stowage.as(ada).datasets.create({ name: 'cats' })
        const { draft } = await cats.draft()
        await draft.put('long', make(long))
        const through = w.a.life.calls < dies
        // What the draft holds stays where it is.
        w.a.life.dies = Number.POSITIVE_INFINITY
        await cats.publish(draft)
        const sourceId = await check(w, cats.id, { long })
        expect(sourceId, `at call ${dies}`).toBe(through ? 'a' : 'b')
        expect(draft.id).toBe(w.failovers.at(-1)?.draftId ?? draft.id)
        expect(await leftBehind(w), `at call ${dies}`).toEqual([])
        await w.close()
        if (through) break
      }
      expect(dies).toBeGreaterThan(4)
    })
  }

  it('from a stream only as long as nothing of it was acknowledged', async () => {
    const w = await world()
    // Create is refused: no byte was taken.
    w.a.life.dies = 1
    const id = await putThree(w, inPieces)
    expect(await check(w, id, { long })).toBe('b')
    await w.close()

    const other = await world()
    // The second part is refused.
    other.a.life.dies = 3
    await expect(putThree(other, inPieces)).rejects.toMatchObject({ code: 'unavailable' })
    expect(other.failovers).toEqual([])
    await other.close()
  })

  it('and all files that are uploaded at the same time with it', async () => {
    const w = await world()
    const cats = await w.stowage.as(ada).datasets.create({ name: 'cats' })
    const { draft } = await cats.draft()
    w.a.life.dies = 3
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, Buffer.from(`file ${i}`)]))
    const put = await Promise.allSettled(Object.entries(many).map(([path, bytes]) => draft.put(path, bytes)))
    const there = Object.entries(many).filter((_, i) => put[i]?.status === 'fulfilled')
    w.a.life.dies = Number.POSITIVE_INFINITY
    await cats.publish(draft)
    // Whoever was told that his file is there finds it.
    await check(w, cats.id, Object.fromEntries(there))
    await w.close()
  })

  it('but not out of a draft that has files', async () => {
    const w = await world()
    const cats = await w.stowage.as(ada).datasets.create({ name: 'cats' })
    const { draft } = await cats.draft()
    await draft.put('one', Buffer.from('1'))
    w.a.life.dies = w.a.life.calls + 1
    await expect(draft.put('two', Buffer.from('2'))).rejects.toMatchObject({ code: 'unavailable' })
    w.a.life.dies = Number.POSITIVE_INFINITY
    await draft.put('two', Buffer.from('2'))
    await cats.publish(draft)
    expect(await check(w, cats.id, { one: Buffer.from('1'), two: Buffer.from('2') })).toBe('a')
    await w.close()
  })

  it('and stays where it is when the source answers', async () => {
    const w = await world()
    const cats = await w.stowage.as(ada).datasets.create({ name: 'cats' })
    const { draft } = await cats.draft()
    const put = w.a.bare.put
    let fails = true
    w.a.bare.put = async (...args) => {
      if (!fails) return put.apply(w.a.bare, args)
      fails = false
      throw new StowageError('unavailable', 'A hiccup.', { sourceId: 'a' })
    }
    await expect(draft.put('one', Buffer.from('1'))).rejects.toMatchObject({ message: 'A hiccup.' })
    expect(w.failovers).toEqual([])
    await w.close()
  })
})
