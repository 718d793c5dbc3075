import { FakeClock } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { MemoryBudget } from './memory-budget.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** Those who wait, by what they are called, in the order in which their turn comes. */
function waiters(memory: MemoryBudget) {
  const begun: string[] = []
  const back = new Map<string, () => void>()
  const wait = (name: string, bytes: number, signal?: AbortSignal) =>
    memory.turn(bytes, signal).then((giveBack) => {
      begun.push(name)
      back.set(name, giveBack)
    })
  const giveBack = async (name: string) => {
    back.get(name)?.()
    await settled()
  }
  return { begun, wait, giveBack }
}

describe('the memory that reads share', () => {
  it('is given to those who wait in their order, and to nobody past them', async () => {
    const memory = new MemoryBudget(10, 10, new FakeClock())
    const first = memory.takeNow(8)
    const { begun, wait, giveBack } = waiters(memory)
    void wait('large', 8)
    void wait('small', 2)
    await settled()
    expect(begun).toEqual([])
    expect([memory.takeNow(1), memory.take(1)]).toEqual([undefined, undefined])
    first?.()
    await settled()
    expect([begun, memory.held]).toEqual([['large', 'small'], 10])
    await giveBack('large')
    await giveBack('small')
    expect(memory.held).toBe(0)
  })

  it('leaves room for those whose readers wait, whatever is ahead of others', async () => {
    const memory = new MemoryBudget(10, 5, new FakeClock())
    expect(memory.take(6)).toBeUndefined()
    const ahead = memory.take(5)
    expect(memory.take(1)).toBeUndefined()
    expect(memory.takeNow(5)).toBeDefined()
    expect(memory.takeNow(1)).toBeUndefined()
    ahead?.()
    expect(memory.held).toBe(5)
  })

  it('is enough for one, however much that needs', () => {
    const memory = new MemoryBudget(10, 5, new FakeClock())
    memory.take(5)
    expect(memory.takeNow(100)).toBeDefined()
    expect(memory.takeNow(1)).toBeUndefined()
  })

  it('forgets who does not wait any more', async () => {
    const clock = new FakeClock()
    const memory = new MemoryBudget(10, 5, clock)
    const first = memory.takeNow(8)
    const { begun, wait, giveBack } = waiters(memory)
    const stop = new AbortController()
    const stopped = expect(wait('large', 8, stop.signal)).rejects.toMatchObject({ code: 'aborted' })
    void wait('small', 2)
    stop.abort()
    await stopped
    await settled()
    expect(begun).toEqual(['small'])
    await expect(memory.turn(1, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
    await giveBack('small')
    first?.()
    expect([memory.held, clock.sleeping]).toEqual([0, 0])
  })

  it('lets others go on when those who hold it are stuck, one more each time', async () => {
    const clock = new FakeClock()
    const memory = new MemoryBudget(10, 5, clock)
    const stuck = memory.takeNow(10)
    const { begun, wait, giveBack } = waiters(memory)
    for (const name of ['a', 'b', 'c', 'd']) void wait(name, 10)
    await settled()
    await clock.advance(1900)
    expect(begun).toEqual([])
    await clock.advance(200)
    await settled()
    expect(begun).toEqual(['a'])
    // What moves on is gone on with at once.
    await giveBack('a')
    expect(begun).toEqual(['a', 'b'])
    await clock.advance(1900)
    expect(begun).toEqual(['a', 'b'])
    await clock.advance(200)
    await settled()
    expect([begun, memory.held]).toEqual([['a', 'b', 'c'], 30])
    await giveBack('b')
    expect(begun).toEqual(['a', 'b', 'c', 'd'])
    for (const name of ['c', 'd']) await giveBack(name)
    stuck?.()
    expect([memory.held, clock.sleeping]).toEqual([0, 0])
    // Afterwards it is as strict as before.
    memory.takeNow(10)
    expect(memory.takeNow(1)).toBeUndefined()
  })

  it('waits no longer for those who are stuck when the clock is set back', async () => {
    const clock = new FakeClock()
    let offset = 0
    const memory = new MemoryBudget(10, 5, {
      now: () => clock.now() + offset,
      sleep: (ms, signal) => clock.sleep(ms, signal),
    })
    memory.takeNow(10)
    const { begun, wait } = waiters(memory)
    void wait('a', 10)
    await settled()
    offset = -3_600_000
    await clock.advance(4100)
    await settled()
    expect(begun).toEqual(['a'])
  })
})
