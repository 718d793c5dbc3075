import { Readable } from 'node:stream'
import { BLOCK_SIZE, MARKER_KEY, type StorageAdapter, StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { findSecretIn, testSecret } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { ada, bytesAt, bytesOfBlocks, keyWith, rot, type ScrubWorld, scrubWorld } from './testing.ts'

const DAY = 86_400_000
const HOUR = 3_600_000

/** Larger than what an hour takes. */
const huge = bytesOfBlocks(12)
const large = bytesOfBlocks(3)

async function world(
  ids: string[] = ['a', 'b'],
  first = large,
): Promise<{ w: ScrubWorld; id: string; a: StorageAdapter; b: StorageAdapter }> {
  const w = await scrubWorld(ids)
  const id = await w.publish({ 'a/large': first, 'b/small': 'small', 'c/last': 'last' })
  const { a, b = a } = w.stores
  if (a === undefined || b === undefined) throw new Error('no store')
  return { w, id, a, b }
}

/** Bytes that are read of the data of a store from now on, by key. */
function meter(store: StorageAdapter): Map<string, number> {
  const read = new Map<string, number>()
  const get = store.get.bind(store)
  store.get = async (key, options) => {
    const result = await get(key, options)
    if (key.includes('.stowage/')) return result
    result.body.on('data', (chunk: Uint8Array) => read.set(key, (read.get(key) ?? 0) + chunk.length))
    result.body.pause()
    return result
  }
  return read
}

it('reads each byte once when its time has come, and no earlier', async () => {
  const { w, a, b } = await world()
  const stowage = await w.open()
  expect(await stowage.scrub()).toMatchObject({ files: 0, bytes: 0, finished: 0 })
  w.time.offset += 25 * DAY
  const [readA, readB] = [meter(a), meter(b)]
  expect(await stowage.scrub()).toMatchObject({ files: 6, finished: 2, bad: 0, findings: [], problems: [] })
  for (const read of [readA, readB]) expect([...read.values()].sort()).toEqual([large.length, 4, 5].sort())
  expect(await stowage.scrub()).toMatchObject({ files: 0, bytes: 0, finished: 0 })
  for await (const status of stowage.scrubStatus()) {
    expect(status).toMatchObject({
      versions: [1],
      damaged: 0,
      running: null,
      problem: null,
      last: { files: 3, bad: 0 },
    })
    expect(status.oldest).toBe(status.last?.startedAt)
  }
  w.time.offset += 25 * DAY
  expect(await stowage.scrub()).toMatchObject({ files: 6, finished: 2 })
})

it('keeps to the budget of each hour, and goes on in the middle of a file', async () => {
  const { w, a, b } = await world(['a', 'b'], huge)
  const scrub = { bytesPerHour: 64 * 1024 * 1024 }
  w.time.offset += 25 * DAY
  const [readA, readB] = [meter(a), meter(b)]
  let files = 0
  for (let hour = 0; hour < 4; hour++) {
    const before = [...readA.values(), ...readB.values()].reduce((sum, n) => sum + n, 0)
    // A process for each hour, and two runs in each.
    const stowage = await w.open({ scrub })
    const first = await stowage.scrub()
    files += first.files + (await stowage.scrub()).files
    await stowage.close()
    const after = [...readA.values(), ...readB.values()].reduce((sum, n) => sum + n, 0)
    expect(after - before).toBeLessThanOrEqual(2 * (scrub.bytesPerHour + 70_000))
    if (hour === 0) {
      expect(first.spent.sort()).toEqual(['a', 'b'])
      expect(readA.get(await keyWith(a, 'a/large'))).toBeGreaterThanOrEqual(5 * BLOCK_SIZE)
      expect(readA.get(await keyWith(a, 'a/large'))).toBeLessThan(10 * BLOCK_SIZE)
    }
    w.time.offset += HOUR
  }
  expect(files).toBe(6)
  const key = await keyWith(a, 'a/large')
  // What a stream had fetched ahead when the budget ended is not counted on.
  expect(readA.get(key)).toBeLessThan(huge.length + BLOCK_SIZE)
})

it('a bad block before the end of a budget is not forgotten', async () => {
  const { w, b } = await world(['a', 'b'], huge)
  w.time.offset += 25 * DAY
  await rot(b, 'a/large', BLOCK_SIZE)
  const stowage = await w.open({ scrub: { bytesPerHour: 64 * 1024 * 1024 } })
  expect(await stowage.scrub()).toMatchObject({ bad: 0, spent: expect.arrayContaining(['b']) })
  w.time.offset += HOUR
  const second = await stowage.scrub()
  expect(second).toMatchObject({ bad: 1, mended: 1, findings: [{ kind: 'digest', blocks: [1], mended: true }] })
  expect((await bytesAt(b, await keyWith(b, 'a/large'))).equals(huge)).toBe(true)
})

it('a run reads no more than it was given', async () => {
  const { w } = await world()
  w.time.offset += 25 * DAY
  const stowage = await w.open()
  const result = await stowage.scrub({ budget: 3 * BLOCK_SIZE })
  expect(result.bytes).toBeLessThanOrEqual(3 * BLOCK_SIZE + 200_000)
  await expectCode(stowage.scrub({ budget: 1 }), 'invalid-request')
})

it('two processes share the work, and nothing is read twice', async () => {
  const { w, a, b } = await world(['a', 'b'])
  for (let i = 0; i < 5; i++) {
    const stowage = await w.open()
    const dogs = await stowage.as(ada).datasets.create({ name: `dogs ${i}` })
    const { draft } = await dogs.draft()
    for (let k = 0; k < 10; k++) await draft.put(`f${k}`, Buffer.from(`${i} ${k}`))
    await dogs.publish(draft)
    await stowage.close()
  }
  w.time.offset += 25 * DAY
  const [readA, readB] = [meter(a), meter(b)]
  const processes = await Promise.all([w.open(), w.open(), w.open()])
  const results = await Promise.all(processes.map((one) => one.scrub()))
  expect(results.reduce((sum, { files }) => sum + files, 0)).toBe(56)
  for (const [store, read] of [
    [a, readA],
    [b, readB],
  ] as const) {
    for (const [key, bytes] of read) expect([key, bytes]).toEqual([key, (await store.head(key)).size])
  }
})

it('says what a budget cannot reach, once a day', async () => {
  const { w } = await world()
  const stowage = await w.open({ scrub: { everyDays: 0.01, bytesPerHour: 64 * 1024 * 1024 } })
  const { behind } = await stowage.scrub()
  expect(behind).toEqual([
    { sourceId: 'a', days: 1 },
    { sourceId: 'b', days: 1 },
  ])
  await stowage.scrub()
  const told = w.alerts.filter(({ message }) => message.includes('at this budget each byte takes 1 days'))
  expect(told.map(({ sourceId }) => sourceId).sort()).toEqual(['a', 'b'])
  w.time.offset += 2 * DAY
  await stowage.scrub()
  expect(w.alerts.filter(({ message }) => message.includes('cannot keep up'))).toHaveLength(4)
})

it('what a read found bad is looked at at once, and mended', async () => {
  const { w, id, a, b } = await world()
  await rot(a, 'b/small')
  await rot(b, 'c/last')
  const stowage = await w.open()
  for (const path of ['b/small', 'c/last']) {
    const file = await stowage.as({ userType: 'internal' }).datasets.open(id, path)
    for await (const _ of file.stream) {
      // Read to its end.
    }
  }
  await stowage.close()
  const scrubber = await w.open()
  const { bad, mended, findings } = await scrubber.scrub()
  // Each reader is sent to one replica first: at least the file that is bad there was found.
  expect(bad).toBeGreaterThan(0)
  expect(mended).toBe(bad)
  expect(findings.every(({ kind }) => kind === 'digest')).toBe(true)
  expect(await scrubber.scrub()).toMatchObject({ bad: 0, bytes: 0 })
})

it('what a read could not get from a healthy source is looked at too', async () => {
  const { w, id, a } = await world()
  const key = await keyWith(a, 'b/small')
  const get = a.get.bind(a)
  a.get = async (wanted, options) => {
    if (wanted === key) throw new StowageError('unavailable', 'the store found that its data is corrupt')
    return get(wanted, options)
  }
  const reader = await w.open({ sources: ['a'] })
  const file = await reader.as(ada).datasets.open(id, 'b/small')
  await expectCode(bytesOf(file.stream), 'unavailable')
  await reader.close()
  const stowage = await w.open()
  expect(await stowage.scrub()).toMatchObject({ bad: 0, unread: 1, findings: [{ kind: 'unread', sourceId: 'a' }] })
})

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

it('runs by itself, as one of the periodic jobs, unless it is told not to', async () => {
  const { w, b } = await world()
  await rot(b, 'b/small')
  const stowage = await w.open()
  const job = stowage.periodic.list().find(({ id }) => id === 'scrub')
  if (job === undefined) throw new Error('there is no such job')
  const { signal } = new AbortController()
  await stowage.periodic.turn(job, signal)
  w.time.offset += 25 * DAY
  await stowage.periodic.turn(job, signal)
  expect((await bytesAt(b, await keyWith(b, 'b/small'))).toString()).toBe('small')
  const off = await w.open({ scrub: { enabled: false } })
  expect(off.periodic.list().map(({ id }) => id)).not.toContain('scrub')
})

it('no secret that a store worded is kept or told', async () => {
  const { w, b } = await world()
  w.time.offset += 25 * DAY
  const secret = testSecret('scrub')
  const key = await keyWith(b, 'b/small')
  const get = b.get.bind(b)
  b.get = async (wanted, options) => {
    if (wanted === key) throw new StowageError('unavailable', `refused: secretKey="${secret}"`)
    return get(wanted, options)
  }
  const stowage = await w.open()
  const told: unknown[] = [await stowage.scrub()]
  stowage.events.on('replica.damaged', (event) => told.push(event))
  for (let i = 0; i < 8; i++) {
    w.time.offset += HOUR
    told.push(await stowage.scrub())
  }
  told.push(await w.catalog.datasets.listDamage(), w.alerts)
  b.get = async () => {
    throw new StowageError('unavailable', `refused: secretKey="${secret}"`)
  }
  w.time.offset += 25 * DAY
  told.push(await stowage.scrub())
  for await (const status of stowage.scrubStatus()) told.push(status)
  expect(JSON.stringify(told)).toContain('refused')
  expect(findSecretIn(JSON.stringify(told))).toBeUndefined()
})

it('a place that is gone is told as one, kept from standing for a good copy, and not filled', async () => {
  const { w, id, b } = await world()
  w.time.offset += 25 * DAY
  const all: Record<string, Buffer> = {}
  for await (const { objects } of b.list()) for (const { key } of objects) all[key] = await bytesAt(b, key)
  await b.deleteMany(Object.keys(all))
  const stowage = await w.open()
  const result = await stowage.scrub()
  expect(result).toMatchObject({ bad: 1, mended: 0, findings: [{ kind: 'missing', name: 'the whole replica' }] })
  expect(w.alerts).toMatchObject([{ severity: 'critical', sourceId: 'b' }])
  for await (const { objects } of b.list()) expect(objects).toEqual([])
  await expectCode(w.catalog.datasets.markReplicaDeleting({ datasetId: id, version: 1, sourceId: 'a' }), 'unsafe')
  await stowage.scrub()
  expect(w.alerts).toHaveLength(1)
  // The disk is mounted again.
  for (const [key, bytes] of Object.entries(all)) await b.put(key, bytes)
  expect(await stowage.scrub()).toMatchObject({ bad: 0, files: 3 })
  expect(await w.catalog.datasets.listDamage()).toEqual([])
})

it('a place that holds another dataset is not touched', async () => {
  const { w, b } = await world()
  w.time.offset += 25 * DAY
  const marker = await keyWith(b, MARKER_KEY)
  await b.put(marker, Buffer.from(JSON.stringify({ format: 1, catalogId: 'other', datasetId: 'dogs' })))
  await rot(b, 'b/small')
  const stowage = await w.open()
  const result = await stowage.scrub()
  expect(result.findings).toMatchObject([{ kind: 'replaced', mended: false }])
  expect((await bytesAt(b, await keyWith(b, 'b/small'))).toString()).not.toBe('small')
})

it('a source that is away is no rot, and is gone on with when it is back', async () => {
  const { w, b } = await world()
  w.time.offset += 25 * DAY
  const get = b.get
  b.get = async () => {
    throw new StowageError('unavailable', 'the source is down')
  }
  const stowage = await w.open()
  const result = await stowage.scrub()
  expect(result).toMatchObject({ bad: 0, files: 3, problems: [{ sourceId: 'b', code: 'unavailable' }] })
  expect(await w.catalog.datasets.listDamage()).toEqual([])
  b.get = get
  expect(await stowage.scrub()).toMatchObject({ bad: 0, files: 3, problems: [] })
})

it('an object that cannot be read while others can is tried again later, and replaced in the end', async () => {
  const { w, b } = await world()
  w.time.offset += 25 * DAY
  const key = await keyWith(b, 'b/small')
  const [get, put] = [b.get.bind(b), b.put.bind(b)]
  let rotten = true
  b.get = async (asked, options) => {
    if (asked === key && rotten) throw new StowageError('unavailable', 'the store found that its data is corrupt')
    return get(asked, options)
  }
  b.put = async (asked, body, options) => {
    const result = await put(asked, body, options)
    if (asked === key) rotten = false
    return result
  }
  const stowage = await w.open()
  expect(await stowage.scrub()).toMatchObject({ bad: 0, unread: 1, findings: [{ kind: 'unread' }] })
  expect(await w.catalog.datasets.listDamage()).toEqual([])
  let tries = 0
  let mended = 0
  for (let hour = 0; hour < 24; hour++) {
    const run = await stowage.scrub()
    tries += run.unread
    mended += run.mended
    w.time.offset += HOUR
  }
  expect(tries).toBeGreaterThan(1)
  expect(mended).toBe(1)
  expect((await bytesAt(b, key)).toString()).toBe('small')
})

it('a store that gives bad bytes once is not believed, and one that gives good bytes once neither', async () => {
  const { w, b } = await world()
  w.time.offset += 25 * DAY
  const key = await keyWith(b, 'b/small')
  const bad = await rot(b, 'b/small')
  const rotten = await bytesAt(b, key)
  await b.put(bad, Buffer.from('small'))
  const get = b.get.bind(b)
  let asked = 0
  let lies = [true, false]
  b.get = async (wanted, options) => {
    if (wanted !== key) return get(wanted, options)
    const lie = lies[asked++] ?? false
    if (!lie) return get(wanted, options)
    await b.put(key, rotten)
    const result = await get(wanted, options)
    await b.put(key, Buffer.from('small'))
    return result
  }
  const stowage = await w.open()
  expect(await stowage.scrub()).toMatchObject({ bad: 0, unread: 1, findings: [{ kind: 'unsteady', mended: false }] })
  expect(await w.catalog.datasets.listDamage()).toEqual([])
  // Good first, bad the second time: nobody asks twice for what was good, and the next look finds what there is then.
  asked = 0
  lies = [false, true, true, true]
  w.time.offset += 25 * DAY
  const looked: string[] = []
  for (let run = 0; run < 3; run++) {
    looked.push(...(await stowage.scrub()).findings.map(({ kind }) => kind))
    w.time.offset += DAY
  }
  expect(looked).toEqual(expect.arrayContaining(['digest']))
  expect(await bytesAt(b, key).then(String)).toBe('small')
})

it('a target that is full keeps what it has, and is mended when there is room', async () => {
  const { w, b } = await world()
  w.time.offset += 25 * DAY
  await rot(b, 'a/large', 3)
  const before = await bytesAt(b, await keyWith(b, 'a/large'))
  const { uploadPart } = b.multipart
  Object.assign(b.multipart, {
    uploadPart: async () => {
      throw new StowageError('no-space', 'the disk is full')
    },
  })
  const stowage = await w.open()
  expect(await stowage.scrub()).toMatchObject({ bad: 1, mended: 0, findings: [{ lost: false }] })
  const key = await keyWith(b, 'a/large')
  expect((await bytesAt(b, key)).equals(before)).toBe(true)
  expect(await b.multipart.list(key)).toEqual([])
  expect(await w.catalog.datasets.listDamage()).toHaveLength(1)
  Object.assign(b.multipart, { uploadPart })
  w.time.offset += HOUR
  expect(await stowage.scrub()).toMatchObject({ bad: 1, mended: 1 })
  expect((await bytesAt(b, key)).equals(large)).toBe(true)
  expect(await w.catalog.datasets.listDamage()).toEqual([])
})

it('a source that dies in the middle of a mend loses nothing', async () => {
  const { w, a, b } = await world(['a', 'b', 'c'])
  const c = w.stores.c as StorageAdapter
  w.time.offset += 25 * DAY
  await rot(b, 'a/large', 3)
  const key = await rot(b, 'a/large', 2 * BLOCK_SIZE)
  let dead = false
  const gets = [a.get.bind(a), c.get.bind(c)] as const
  for (const [store, get] of [
    [a, gets[0]],
    [c, gets[1]],
  ] as const) {
    store.get = async (wanted, options) => {
      if (dead) throw new StowageError('unavailable', 'the source is dead')
      const result = await get(wanted, options)
      if (!wanted.includes('a/large')) return result
      const body = Readable.from(dyingAfter(result.body, BLOCK_SIZE + 100, () => (dead = true)))
      return { ...result, body }
    }
  }
  const stowage = await w.open()
  const first = await stowage.scrub({ sourceId: 'b' })
  expect(first).toMatchObject({ bad: 1, mended: 0, findings: [{ lost: false, blocks: [0, 2] }] })
  expect(await b.multipart.list(key)).toEqual([])
  expect((await bytesAt(b, key)).equals(large)).toBe(false)
  ;[a.get, c.get] = gets
  w.time.offset += HOUR
  expect(await stowage.scrub({ sourceId: 'b' })).toMatchObject({ bad: 1, mended: 1 })
  expect((await bytesAt(b, key)).equals(large)).toBe(true)
})

async function* dyingAfter(body: Readable, bytes: number, onDeath: () => void): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    yield chunk.subarray(0, left)
    left -= chunk.length
    if (left > 0) continue
    onDeath()
    throw new StowageError('unavailable', 'the source died')
  }
}

it('what is changed while it is mended is not overwritten', async () => {
  const { w, b } = await world()
  w.time.offset += 25 * DAY
  const key = await rot(b, 'b/small')
  const put = b.put.bind(b)
  b.put = async (wanted, body, options) => {
    if (wanted === key) await put(key, Buffer.from('newer'))
    return put(wanted, body, options)
  }
  const stowage = await w.open()
  expect(await stowage.scrub()).toMatchObject({ bad: 1, mended: 0 })
  expect((await bytesAt(b, key)).toString()).toBe('newer')
})

describe('a store without conditional writes', () => {
  async function without(): Promise<Awaited<ReturnType<typeof world>>> {
    const made = await world()
    const conditional = { ...made.b.capabilities.conditional, putIfMatch: false, completeIfMatch: false }
    const none = { ...conditional, putCreateOnly: false, completeCreateOnly: false }
    Object.defineProperty(made.b, 'capabilities', { value: { ...made.b.capabilities, conditional: none } })
    made.w.time.offset += 25 * DAY
    return made
  }

  it('is mended after another look at what is there', async () => {
    const { w, b } = await without()
    const key = await rot(b, 'b/small')
    await rot(b, 'a/large', 3)
    await b.delete(await keyWith(b, 'c/last'))
    const stowage = await w.open()
    expect(await stowage.scrub()).toMatchObject({ bad: 3, mended: 3 })
    expect((await bytesAt(b, key)).toString()).toBe('small')
    expect((await bytesAt(b, await keyWith(b, 'a/large'))).equals(large)).toBe(true)
  })

  it('keeps what was written since it was found bad', async () => {
    const { w, a, b } = await without()
    const key = await rot(b, 'b/small')
    const get = a.get.bind(a)
    a.get = async (wanted, options) => {
      // While the good copy is read, somebody writes.
      if (wanted.endsWith('b/small')) await b.put(key, Buffer.from('newer'))
      return get(wanted, options)
    }
    const stowage = await w.open()
    expect(await stowage.scrub({ sourceId: 'b' })).toMatchObject({ bad: 1, mended: 0 })
    expect((await bytesAt(b, key)).toString()).toBe('newer')
  })
})

it('a run that is stopped goes on from where it was', async () => {
  const { w, a } = await world(['a'])
  w.time.offset += 25 * DAY
  const stop = new AbortController()
  const get = a.get.bind(a)
  a.get = async (key, options) => {
    if (key.includes('c/last')) stop.abort()
    return get(key, options)
  }
  const stowage = await w.open()
  await expectCode(stowage.scrub({ signal: stop.signal }), 'aborted')
  a.get = get
  const read = meter(a)
  expect(await stowage.scrub()).toMatchObject({ finished: 1 })
  expect(read.get(await keyWith(a, 'a/large'))).toBeUndefined()
})
