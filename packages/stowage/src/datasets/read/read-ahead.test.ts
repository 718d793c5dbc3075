import { StowageError } from '@stowage/core'
import { describe, expect, it } from 'vitest'
import { MemoryBudget } from './memory-budget.ts'
import { ReadAhead } from './read-ahead.ts'

/** Blocks of 8 bytes, each when the test says so. */
function blocks(last: number) {
  const asked: number[] = []
  const waiting = new Map<number, { resolve: (pieces: Uint8Array[]) => void; reject: (error: unknown) => void }>()
  const reader = {
    last,
    lengthOf: () => 8,
    rest: () => undefined,
    read: (block: number) => {
      asked.push(block)
      return new Promise<Uint8Array[]>((resolve, reject) => waiting.set(block, { resolve, reject }))
    },
  }
  return {
    reader,
    asked,
    come: async (block: number) => {
      waiting.get(block)?.resolve([Buffer.alloc(8, block)])
      await settled()
    },
    fail: async (block: number) => {
      waiting.get(block)?.reject(new StowageError('unavailable', `block ${block}`))
      await settled()
    },
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('reading ahead', () => {
  it('fetches the next block while the one before is used, and no further', async () => {
    const { reader, asked, come } = blocks(9)
    const ahead = new ReadAhead(reader, { memory: new MemoryBudget(100) })
    const first = ahead.take(0)
    expect(asked).toEqual([0])
    await come(0)
    expect((await first)[0]?.[0]).toBe(0)
    expect(asked).toEqual([0, 1])
    await come(1)
    expect(asked).toEqual([0, 1])
    expect((await ahead.take(1))[0]?.[0]).toBe(1)
    expect(asked).toEqual([0, 1, 2])
    const third = ahead.take(2)
    await come(2)
    expect((await third)[0]?.[0]).toBe(2)
  })

  it('keeps as many blocks as it is told, in order', async () => {
    const { reader, asked, come } = blocks(9)
    const ahead = new ReadAhead(reader, { readAhead: 3, memory: new MemoryBudget(100) })
    const first = ahead.take(0)
    for (const block of [0, 1, 2]) await come(block)
    await first
    expect(asked).toEqual([0, 1, 2, 3])
    expect((await ahead.take(1))[0]?.[0]).toBe(1)
    await come(3)
    expect(asked).toEqual([0, 1, 2, 3, 4])
    const rest = [await ahead.take(2), await ahead.take(3)]
    expect(rest.map(([piece]) => piece?.[0])).toEqual([2, 3])
  })

  it('asks for nothing beyond the last block, and for nothing at all when it is told so', async () => {
    const { reader, asked, come } = blocks(1)
    const ahead = new ReadAhead(reader, { readAhead: 5, memory: new MemoryBudget(100) })
    const first = ahead.take(0)
    await come(0)
    await come(1)
    await first
    await ahead.take(1)
    expect(asked).toEqual([0, 1])
    const other = blocks(9)
    const never = new ReadAhead(other.reader, { readAhead: 0 })
    const one = never.take(0)
    await other.come(0)
    await one
    expect(other.asked).toEqual([0])
  })

  it('does without where there is no memory, and gives back what it took', async () => {
    const memory = new MemoryBudget(8)
    const { reader, asked, come } = blocks(9)
    const other = blocks(9)
    const ahead = new ReadAhead(reader, { memory })
    const poor = new ReadAhead(other.reader, { memory })
    const first = ahead.take(0)
    await come(0)
    await first
    expect(memory.held).toBe(8)
    const second = poor.take(0)
    await other.come(0)
    await second
    expect(other.asked).toEqual([0])
    await come(1)
    ahead.close()
    expect(memory.held).toBe(0)
    const third = poor.take(1)
    await other.come(1)
    await third
    expect(other.asked).toEqual([0, 1, 2])
    poor.close()
    await other.come(2)
    expect(memory.held).toBe(0)
    expect(asked).toEqual([0, 1])
  })

  it('makes no failed read of a block that nobody waited for', async () => {
    const memory = new MemoryBudget(100)
    const { reader, asked, come, fail } = blocks(9)
    const ahead = new ReadAhead(reader, { memory })
    const first = ahead.take(0)
    await come(0)
    await first
    await fail(1)
    expect(memory.held).toBe(0)
    const second = ahead.take(1)
    await come(1)
    expect((await second)[0]?.[0]).toBe(1)
    expect(asked).toEqual([0, 1, 1, 2])
  })

  it('fails with a block that somebody waits for', async () => {
    const { reader, come, fail } = blocks(9)
    const ahead = new ReadAhead(reader, {})
    const first = ahead.take(0)
    await come(0)
    await first
    const second = expect(ahead.take(1)).rejects.toMatchObject({ code: 'unavailable' })
    await fail(1)
    await second
  })

  it('asks for nothing more once it is closed', async () => {
    const { reader, asked, come } = blocks(9)
    const ahead = new ReadAhead(reader, { readAhead: 4, memory: new MemoryBudget(100) })
    const first = ahead.take(0)
    await come(0)
    await first
    ahead.close()
    await come(1)
    expect(asked).toEqual([0, 1])
  })
})
