import { Readable } from 'node:stream'
import { BLOCK_SIZE, digestOf, type GetOptions, type GetResult, type StorageAdapter, StowageError } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { until } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import type { ReadCandidate, VerifiedReadOptions } from './options.ts'
import { readVerified } from './verified-read.ts'

const bytes = Buffer.alloc(BLOCK_SIZE + 500_000).map((_, i) => (i * 131) & 255) as Buffer
const { digest, size, blocks } = digestOf(bytes)

type Serve = (start: number, end: number, options: GetOptions) => AsyncIterable<Uint8Array>

function candidate(sourceId: string, serve: Serve, etag = () => 'e') {
  const asked: GetOptions[] = []
  const adapter = {
    async get(key: string, options: GetOptions = {}): Promise<GetResult> {
      asked.push(options)
      if (options.ifMatch !== undefined && options.ifMatch !== etag()) {
        throw new StowageError('precondition-failed', 'The object is another one.')
      }
      const start = options.range?.start ?? 0
      const end = start + (options.range?.length ?? size - start)
      const info = { key, size, etag: etag(), lastModified: 0, metadata: {} }
      return { info, range: { start, length: end - start }, body: Readable.from(serve(start, end, options)) }
    },
  } as unknown as StorageAdapter
  const one: ReadCandidate = { sourceId, key: 'k', adapter: async () => adapter }
  return { ...one, asked }
}

const whole: Serve = async function* (start, end) {
  yield bytes.subarray(start, end)
}

/** A source that gives `step` bytes for each `ms` of the clock. */
function drip(clock: FakeClock, step: number, ms: number): Serve {
  return async function* (start, end) {
    for (let at = start; at < end; at += step) {
      await clock.sleep(ms)
      yield bytes.subarray(at, Math.min(end, at + step))
    }
  }
}

/** Reads to the end while the clock moves, in steps of 50 ms, whenever somebody waits for it. */
async function readAll(clock: FakeClock, options: Pick<VerifiedReadOptions, 'candidates' | 'stallMs' | 'onOutcome'>) {
  const failovers: { from: string; to: string; offset: number; code: string; at: number }[] = []
  const began = clock.now()
  const chunks: Uint8Array[] = []
  let isDone = false
  const reading = (async () => {
    const onFailover: VerifiedReadOptions['onFailover'] = (f) => failovers.push({ ...f, at: clock.now() - began })
    for await (const chunk of readVerified({ size, digest, blocks, clock, onFailover, ...options })) chunks.push(chunk)
  })().finally(() => {
    isDone = true
  })
  reading.catch(() => undefined)
  for (let turns = 0; !isDone; turns++) {
    if (turns === 1_000_000) throw new Error('The read does not end.')
    await new Promise((resolve) => setImmediate(resolve))
    if (clock.sleeping > 0) await clock.advance(50)
  }
  await reading
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
  return failovers
}

describe('a source that does not fail and does not serve', () => {
  it('is left when it answers nothing, before the limit is over', async () => {
    const clock = new FakeClock()
    const adapter = { get: () => new Promise(() => undefined) } as unknown as StorageAdapter
    const silent = { sourceId: 'a', key: 'k', adapter: async () => adapter }
    const failovers = await readAll(clock, { candidates: [silent, candidate('b', whole)], stallMs: 2000 })
    expect(failovers).toEqual([{ from: 'a', to: 'b', offset: 0, code: 'timeout', at: 1500 }])
    expect(clock.sleeping).toBe(0)
  })

  it('is left when it stops in the middle, at the same byte', async () => {
    const clock = new FakeClock()
    const stops: Serve = async function* (start) {
      yield bytes.subarray(start, start + 1000)
      await new Promise(() => undefined)
    }
    const b = candidate('b', whole)
    const failovers = await readAll(clock, { candidates: [candidate('a', stops), b] })
    expect(failovers).toEqual([{ from: 'a', to: 'b', offset: 1000, code: 'timeout', at: 2250 }])
    expect(b.asked[0]?.range?.start).toBe(1000)
  })

  it('is not said to serve before a block of it was found right', async () => {
    const clock = new FakeClock()
    const stops: Serve = async function* (start) {
      yield bytes.subarray(start, start + 1000)
      await new Promise(() => undefined)
    }
    const wrong: Serve = async function* (start, end) {
      yield bytes.subarray(start, end).map((byte, i) => (i === 5 ? byte ^ 1 : byte))
    }
    for (const [serve, code] of [
      [stops, 'timeout'],
      [wrong, 'integrity'],
    ] as const) {
      const told: string[] = []
      const onOutcome: VerifiedReadOptions['onOutcome'] = (sourceId, outcome) =>
        told.push(`${sourceId} ${outcome.ok ? 'ok' : outcome.code}`)
      await readAll(clock, { candidates: [candidate('a', serve), candidate('b', whole)], onOutcome })
      // Once for a request, whatever the number of its blocks.
      expect(told).toEqual([`a ${code}`, 'b ok'])
    }
  })

  it('is left when it drips, and once only when all do', async () => {
    const clock = new FakeClock()
    const slow = () => drip(clock, 4_000, 100)
    const quick = await readAll(clock, { candidates: [candidate('a', slow()), candidate('b', whole)] })
    expect(quick.map(({ from, code }) => ({ from, code }))).toEqual([{ from: 'a', code: 'timeout' }])
    const both = await readAll(clock, { candidates: [candidate('a', slow()), candidate('b', slow())] })
    expect(both).toHaveLength(1)
  })

  it('is not left while nobody reads', async () => {
    const clock = new FakeClock()
    const two = [candidate('a', drip(clock, 1_000_000, 50)), candidate('b', whole)]
    let failovers = 0
    const read = readVerified({ size, digest, blocks, clock, candidates: two, onFailover: () => failovers++ })
    const first = read.next()
    await until('the read waits', () => clock.sleeping > 0, { everyMs: 1 })
    for (let i = 0; i < 20; i++) await clock.advance(50)
    let got = (await first).value?.length ?? 0
    while (got < BLOCK_SIZE) got += (await read.next()).value?.length ?? 0
    await clock.advance(600_000)
    expect(clock.sleeping).toBeLessThanOrEqual(1)
    const second = read.next()
    for (let i = 0; i < 20; i++) await clock.advance(50)
    expect((await second).value?.length).toBe(500_000)
    expect(failovers).toBe(0)
  })
})

describe('an object that is replaced while it is read', () => {
  it('is told from one that rots', async () => {
    let etag = 'old'
    const replaced: Serve = async function* (start, end) {
      etag = 'new'
      const wrong = Buffer.from(bytes.subarray(start, end))
      wrong[10] = (wrong[10] ?? 0) ^ 1
      yield wrong
    }
    let fails = 2
    const hiccups: Serve = async function* (start, end) {
      if (fails-- > 0) throw new StowageError('unavailable', 'reset')
      yield bytes.subarray(start, end)
    }
    const a = candidate('a', replaced, () => etag)
    const failing = candidate('b', hiccups)
    const failovers: string[] = []
    const read = readVerified({
      size,
      digest,
      blocks,
      candidates: [a, failing, candidate('c', whole)],
      onFailover: ({ from, code }) => failovers.push(`${from} ${code}`),
    })
    const got: Uint8Array[] = []
    for await (const chunk of read) got.push(chunk)
    expect(Buffer.concat(got).equals(bytes)).toBe(true)
    expect(failovers).toEqual(['a integrity', 'b unavailable'])

    // With two of them the first is asked again, for the object that it had: now it is another one.
    etag = 'old'
    fails = 1
    const codes: string[] = []
    const again = [candidate('a', replaced, () => etag), candidate('b', hiccups)]
    const second = readVerified({
      size,
      digest,
      blocks,
      candidates: again,
      onFailover: ({ from, code }) => codes.push(`${from} ${code}`),
    })
    for await (const chunk of second) expect(chunk.length).toBeGreaterThan(0)
    expect(codes).toEqual(['a integrity', 'b unavailable', 'a precondition-failed'])
    expect(again[0]?.asked[1]?.ifMatch).toBe('old')
  })
})
