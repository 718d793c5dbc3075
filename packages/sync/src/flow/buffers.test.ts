import { describe, expect, it } from 'vitest'
import { Buffers } from './buffers.ts'

const MiB = 1024 * 1024

describe('memory that is used again', () => {
  it('is given to the next who wants as much, and to nobody before it is given back', () => {
    const buffers = new Buffers(8 * MiB)
    const first = buffers.take(2 * MiB)
    const second = buffers.take(2 * MiB)
    expect(second.buffer).not.toBe(first.buffer)
    buffers.give(first)
    buffers.give(first)
    const third = buffers.take(2 * MiB - 5)
    expect(third.buffer).toBe(first.buffer)
    expect(third.length).toBe(2 * MiB - 5)
    expect(buffers.take(2 * MiB).buffer).not.toBe(first.buffer)
  })

  it('is not kept beyond a limit, and never what is not its own', () => {
    const buffers = new Buffers(4 * MiB)
    const [first, second, foreign] = [buffers.take(4 * MiB), buffers.take(4 * MiB), Buffer.alloc(4 * MiB)]
    buffers.give(foreign)
    buffers.give(first)
    buffers.give(second)
    expect(buffers.take(4 * MiB).buffer).toBe(first.buffer)
    expect([second.buffer, foreign.buffer]).not.toContain(buffers.take(4 * MiB).buffer)
  })

  it('serves small pieces as they come', () => {
    const buffers = new Buffers(4 * MiB)
    const small = buffers.take(100)
    buffers.give(small)
    expect(small.length).toBe(100)
  })
})
