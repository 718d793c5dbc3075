import { Readable } from 'node:stream'
import { BLOCK_SIZE, digestOf, type GetResult, type StorageAdapter, StowageError } from '@stowage/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ReadCandidate, readVerified } from './verified-read.ts'

type Fault = { kind: 'cut' | 'flip'; at: number } | { kind: 'refuse' } | { kind: 'short'; at: number }

/** A source that serves these bytes with one fault, once or for ever. */
function candidate(id: string, bytes: Uint8Array, fault?: Fault, times = Number.POSITIVE_INFINITY) {
  const served: [number, number][] = []
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
          yield chunk
          at = to
        }
        served.push([start, end])
      }
      return { info, range: { start, length: end - start }, body: Readable.from(body()) }
    },
  } as unknown as StorageAdapter
  const one: ReadCandidate = { sourceId: id, key: 'k', adapter: async () => adapter }
  return { ...one, served }
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
