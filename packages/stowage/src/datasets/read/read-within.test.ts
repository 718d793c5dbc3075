import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { memory } from '@stowage/adapters/memory'
import { BLOCK_SIZE, type GetResult, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../../app/create.ts'
import { whileTimeGoesOn } from '../../app/testing.ts'
import { pattern } from '../../proof/two-servers.ts'

const actor = { userId: 'ada', userType: 'internal' } as const
const size = 3 * BLOCK_SIZE + 5
const broken = (): StowageError => new StowageError('unavailable', 'near: it broke off.', { sourceId: 'near' })

/** What a body becomes from the moment on in which the source dies. */
const deaths: Record<string, (body: Readable) => AsyncGenerator<Uint8Array>> = {
  refuses: async function* () {
    yield await Promise.reject<Uint8Array>(broken())
  },
  'breaks off': async function* (body) {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      yield chunk.subarray(0, 1000)
      throw broken()
    }
  },
  stalls: async function* (body) {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      yield chunk.subarray(0, 1000)
      await new Promise(() => undefined)
    }
  },
  'has wrong bytes': async function* (body) {
    for await (const chunk of body as AsyncIterable<Buffer>) yield chunk.map((byte) => byte ^ 1)
  },
}

/** A file on two sources, of which the near one dies with the second request for it. Each seed is a file of its own. */
async function world(death: (body: Readable) => AsyncGenerator<Uint8Array>, seed: number) {
  const clock = new FakeClock()
  const adapters = { near: memory({ id: 'near' }), far: memory({ id: 'far' }) }
  const stowage = await createStowage(
    {
      sources: [
        { id: 'near', type: 'memory', priority: 1 },
        { id: 'far', type: 'memory', priority: 2 },
      ],
    },
    { background: false, clock, adapters },
  )
  onTestFinished(() => stowage.close())
  const folder = tempDir('within')
  const bytes = pattern(0, size, seed)
  writeFileSync(join(folder, 'shard'), bytes)
  const cats = await stowage.as(actor).datasets.create({ name: 'cats' })
  await cats.upload(folder)
  await stowage.replicate(cats.id, 1, 'far')
  const get = adapters.near.get.bind(adapters.near)
  let asked = 0
  adapters.near.get = async (key, options): Promise<GetResult> => {
    const result = await get(key, options)
    if (!key.endsWith('/shard') || asked++ === 0) return result
    // A request that is left breaks off the body beneath, of which nobody hears then.
    result.body.on('error', () => undefined)
    return { ...result, body: Readable.from(death(result.body)) }
  }
  const file = await stowage.as(actor).datasets.open(cats.id, 'shard', { stallMs: 2000 })
  return { clock, file, bytes, asked: () => asked }
}

describe.each(Object.entries(deaths))('reads from within a file whose source %s', (_name, death) => {
  const seed = Object.values(deaths).indexOf(death) + 1

  it('give the right bytes, and none fails', async () => {
    const { clock, file, bytes, asked } = await world(death, seed)
    const random = seededRandom(seed)
    const read = async (start: number, length: number): Promise<void> => {
      const got = await file.read(start, length)
      if (!bytes.subarray(start, start + length).equals(got)) throw new Error(`Wrong bytes at ${start}+${length}.`)
    }
    // The first block comes from the near one, whole.
    await whileTimeGoesOn(clock, read(100, 1000))
    expect(file.failovers).toEqual([])
    const parts = Array.from({ length: 60 }, () => {
      const start = Math.floor(random.next() * size)
      return [start, Math.min(size - start, Math.floor(random.next() * 100_000))] as const
    })
    // Over the edge of two blocks, over more of them, and to the end.
    parts.push([2 * BLOCK_SIZE - 7, 14], [5, size - 5], [BLOCK_SIZE - 1, 2 * BLOCK_SIZE], [size - 5, 5])
    const reads = Promise.all(parts.map((part) => read(...part)))
    await whileTimeGoesOn(clock, reads)
    expect(asked()).toBeGreaterThan(1)
    expect(file.failovers.length).toBeGreaterThan(0)
    for (const { from, to } of file.failovers) expect([from, to]).toEqual(['near', 'far'])
  })
})
