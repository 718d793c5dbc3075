import { Readable } from 'node:stream'
import { BLOCK_SIZE, digestOf, type GetResult, type StorageAdapter, StowageError } from '@stowage/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryBudget } from './memory-budget.ts'
import type { ReadCandidate } from './options.ts'
import { readVerified } from './verified-read.ts'

type Fault = { kind: 'cut' | 'flip'; at: number } | { kind: 'refuse' } | { kind: 'short'; at: number }

/** A source that serves these bytes with one fault, once or for ever. */
function candidate(id: string, bytes: Uint8Array, fault?: Fault, times = Number.POSITIVE_INFINITY) {
  const served: [number, number][] = []
  let given = 0
  let total = 0
  let left = times
  const adapter = {
    async get(key: string, options?: { range?: { start: number; length?: number } }): Promise<GetResult> {
      const start = options?.range?.start ?? 0
      const end = start + (options?.range?.length ?? bytes.length - start)
      const active = fault !== undefined && left-- > 0 ? fault : undefined
      if (active?.kind === 'refuse') throw new StowageError('unavailable', 'refused')
      const info = { key, size: bytes.length, etag: 'e', lastModified: 0, metadata: {} }
      async function* body() {
        for (let at = start; at < end; ) {
          const to = Math.min(end, at + 1_000_003)
          const chunk = Buffer.from(bytes.subarray(at, to))
          if (active !== undefined && active.kind !== 'refuse' && active.at >= at && active.at < to) {
            if (active.kind === 'cut') {
              if (active.at > at) yield chunk.subarray(0, active.at - at)
              served.push([start, active.at])
              throw new StowageError('unavailable', 'reset')
            }
            if (active.kind === 'short') return
            chunk[active.at - at] = (chunk[active.at - at] ?? 0) ^ 1
          }
          given = to
          total += to - at
          yield chunk
          at = to
        }
        served.push([start, end])
      }
      return { info, range: { start, length: end - start }, body: Readable.from(body()) }
    },
  } as unknown as StorageAdapter
  const one: ReadCandidate = { sourceId: id, key: 'k', adapter: async () => adapter }
  return { ...one, served, given: () => given, total: () => total }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const bytes = Buffer.alloc(BLOCK_SIZE * 2 + 12_345, 7).map((_, i) => (i * 31) & 255) as Buffer
const { digest, size, blocks } = digestOf(bytes)

describe('readVerified', () => {
  it('goes on at the same byte from the next source', async () => {
    const cut = BLOCK_SIZE + 77
    const a = candidate('a', bytes, { kind: 'cut', at: cut })
    const b = candidate('b', bytes)
    const failovers: unknown[] = []
    const got = await collect(
      readVerified({ size, digest, blocks, candidates: [a, b], onFailover: (f) => failovers.push(f) }),
    )
    expect(got.equals(bytes)).toBe(true)
    expect(failovers).toEqual([{ from: 'a', to: 'b', offset: cut, code: 'unavailable' }])
    expect(b.served).toEqual([[cut, size]])
  })

  it('never gives out a damaged block, and fetches it elsewhere', async () => {
    const a = candidate('a', bytes, { kind: 'flip', at: BLOCK_SIZE + 5 })
    const failovers: { code: string }[] = []
    const seen: Uint8Array[] = []
    for await (const chunk of readVerified({
      size,
      digest,
      blocks,
      candidates: [a, candidate('b', bytes)],
      onFailover: (f) => failovers.push(f),
    })) {
      const at = seen.reduce((sum, c) => sum + c.length, 0)
      expect(bytes.subarray(at, at + chunk.length).equals(chunk)).toBe(true)
      seen.push(chunk)
    }
    expect(Buffer.concat(seen).equals(bytes)).toBe(true)
    expect(failovers.map((f) => f.code)).toEqual(['integrity'])
  })

  it('without block digests it finds the damage at the end and fails', async () => {
    const a = candidate('a', bytes, { kind: 'flip', at: 5 })
    await expect(collect(readVerified({ size, digest, candidates: [a] }))).rejects.toMatchObject({ code: 'integrity' })
  })

  it('fails with integrity when every replica is damaged', async () => {
    const a = candidate('a', bytes, { kind: 'flip', at: 5 })
    const b = candidate('b', bytes, { kind: 'flip', at: 9 })
    await expect(collect(readVerified({ size, digest, blocks, candidates: [a, b] }))).rejects.toMatchObject({
      code: 'integrity',
    })
  })

  it('fails with the last error when every source is down', async () => {
    const a = candidate('a', bytes, { kind: 'refuse' })
    await expect(collect(readVerified({ size, digest, blocks, candidates: [a] }))).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  it('refuses a replica of another length at once', async () => {
    const wrong = candidate('a', bytes.subarray(1))
    const got = await collect(readVerified({ size, digest, blocks, candidates: [wrong, candidate('b', bytes)] }))
    expect(got.equals(bytes)).toBe(true)
  })

  it('reads an empty file', async () => {
    const empty = digestOf(Buffer.alloc(0))
    const got = await collect(readVerified({ ...empty, candidates: [candidate('a', Buffer.alloc(0))] }))
    expect(got.length).toBe(0)
  })

  it('any range, any fault on the first source: the bytes are right', async () => {
    const faults = fc.oneof(
      fc.record({ kind: fc.constantFrom('cut' as const, 'flip' as const, 'short' as const), at: fc.nat(size - 1) }),
      fc.constant({ kind: 'refuse' as const }),
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(size - 1), fc.nat(size), faults, async (start, wanted, fault) => {
        const range = { start, length: Math.min(wanted, size - start) }
        const candidates = [candidate('a', bytes, fault), candidate('b', bytes)]
        const got = await collect(readVerified({ size, digest, blocks, candidates, range }))
        expect(got.equals(bytes.subarray(start, start + range.length))).toBe(true)
        const beyond = Math.ceil((start + range.length) / BLOCK_SIZE) * BLOCK_SIZE
        for (const one of candidates) for (const [, to] of one.served) expect(to).toBeLessThanOrEqual(beyond)
      }),
      { numRuns: 25 },
    )
  })
})

describe('a part of a file', () => {
  it('is fetched in whole blocks, and no byte beyond them', async () => {
    const a = candidate('a', bytes)
    const range = { start: BLOCK_SIZE + 5, length: 100 }
    const got = await collect(readVerified({ size, digest, blocks, candidates: [a], range }))
    expect(got.equals(bytes.subarray(range.start, range.start + 100))).toBe(true)
    expect(a.served).toEqual([[BLOCK_SIZE, 2 * BLOCK_SIZE]])
  })

  it('of no byte asks for nothing', async () => {
    const a = candidate('a', bytes)
    const range = { start: BLOCK_SIZE + 5, length: 0 }
    const got = await collect(readVerified({ size, digest, blocks, candidates: [a], range }))
    expect([got.length, a.served]).toEqual([0, []])
  })

  it('holds only what is wanted of a block', async () => {
    const range = { start: 5, length: 100 }
    for await (const part of readVerified({ size, digest, blocks, candidates: [candidate('a', bytes)], range })) {
      expect(part.buffer.byteLength).toBeLessThan(100_000)
    }
  })
})

describe('a body that reads into its memory again', () => {
  it('gets back what was copied, and what was given out stays as it was', async () => {
    const a = candidate('a', bytes)
    let returned = 0
    const adapter = async () => {
      const inner = await a.adapter()
      const get: StorageAdapter['get'] = async (...call) => {
        const result = await inner.get(...call)
        const takeBack = (chunk: Uint8Array) => {
          returned += chunk.length
          chunk.fill(255)
        }
        return { ...result, body: Object.assign(result.body, { takeBack }) }
      }
      return { get } as StorageAdapter
    }
    const got = await collect(readVerified({ size, digest, blocks, candidates: [{ ...a, adapter }] }))
    expect(got.equals(bytes)).toBe(true)
    expect(returned).toBe(size)
  })
})

describe('many streams at once', () => {
  /** Reads the file by so many streams with a memory of `limit` blocks. @returns the most that they held together, in bytes */
  async function crowd(count: number, limit: number, sources: (i: number) => ReturnType<typeof candidate>[]) {
    const memory = new MemoryBudget(limit * BLOCK_SIZE, (limit / 2) * BLOCK_SIZE)
    const all = Array.from({ length: count }, (_, i) => sources(i))
    let most = 0
    const taken = all.map(() => 0)
    // What the sources gave of blocks that no reader has begun with: counted by what they did, not by what they say that they hold.
    const look = () => {
      const held = all.map((some, i) => some.reduce((sum, one) => sum + one.total(), 0) - (taken[i] as number))
      most = Math.max(
        most,
        held.filter((one) => one > 0).reduce((sum, one) => sum + one, 0),
      )
    }
    const one = async (candidates: ReturnType<typeof candidate>[], i: number) => {
      let at = 0
      for await (const part of readVerified({ size, digest, blocks, candidates, memory })) {
        look()
        expect(bytes.subarray(at, at + part.length).equals(part)).toBe(true)
        at += part.length
        taken[i] = Math.min(size, Math.ceil(at / BLOCK_SIZE) * BLOCK_SIZE)
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(at).toBe(size)
    }
    await Promise.all(all.map(one))
    expect(memory.held).toBe(0)
    return most
  }

  it('hold no more than they may, and all come to their end', async () => {
    const most = await crowd(20, 4, () => [candidate('a', bytes)])
    console.log(`20 streams held ${(most / BLOCK_SIZE).toFixed(1)} blocks at most`)
    // Each may have a chunk (1 MB) of a body that it does not read.
    expect(most).toBeLessThan(4 * BLOCK_SIZE + 20 * 2_000_006)
    expect(most).toBeGreaterThan(2 * BLOCK_SIZE)
  })

  it('get their blocks in pieces, none of which holds more than itself', async () => {
    const read = readVerified({ size, digest, blocks, candidates: [candidate('a', bytes)] })
    for await (const piece of read) expect(piece.buffer.byteLength).toBeLessThanOrEqual(512 * 1024)
    const whole = readVerified({ size, digest, blocks, candidates: [candidate('a', bytes)], pieceSize: BLOCK_SIZE })
    expect((await whole.next()).value?.length).toBe(BLOCK_SIZE)
    await whole.return(undefined)
  })

  it('survive their source', async () => {
    const cut = BLOCK_SIZE + 77
    const both = (i: number) => [
      candidate('a', bytes, i % 2 === 0 ? { kind: 'cut', at: cut } : { kind: 'refuse' }),
      candidate('b', bytes),
    ]
    await crowd(8, 2, both)
  })

  it('ask for a block at a time where there is no room ahead, and leave no request open', async () => {
    const memory = new MemoryBudget(BLOCK_SIZE, 0)
    const a = candidate('a', bytes)
    const got = await collect(readVerified({ size, digest, blocks, candidates: [a], memory }))
    expect(got.equals(bytes)).toBe(true)
    // The first request, for all of it, is given up when its reader has the first block.
    expect(a.served).toEqual([
      [BLOCK_SIZE, 2 * BLOCK_SIZE],
      [2 * BLOCK_SIZE, size],
    ])
  })
})

describe('reading ahead of a reader that takes its time', () => {
  it('has the next block before it is asked for', async () => {
    const a = candidate('a', bytes)
    const read = readVerified({ size, digest, blocks, candidates: [a] })
    await read.next()
    await expect.poll(() => a.given()).toBeGreaterThanOrEqual(2 * BLOCK_SIZE)
    expect(a.given()).toBeLessThan(2 * BLOCK_SIZE + 3_000_000)
    await read.return(undefined)
  })

  it('survives a source that fails meanwhile, and one that comes back in time', async () => {
    const cut = BLOCK_SIZE + 77
    // Both refuse for two rounds, while nobody waits for the block.
    const a = candidate('a', bytes, { kind: 'cut', at: cut }, 2)
    const read = readVerified({ size, digest, blocks, candidates: [a] })
    const first = (await read.next()).value as Uint8Array
    const chunks = [first]
    await expect.poll(() => a.served.length).toBe(2)
    for await (const chunk of read) chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
  })

  it('gives its memory back, however the read ends', async () => {
    const memory = new MemoryBudget(BLOCK_SIZE)
    const options = { size, digest, blocks, candidates: [candidate('a', bytes)], memory }
    const read = readVerified(options)
    await read.next()
    await expect.poll(() => memory.held).toBe(BLOCK_SIZE)
    await read.return(undefined)
    await expect.poll(() => memory.held).toBe(0)
    await collect(readVerified(options))
    expect(memory.held).toBe(0)
  })
})
