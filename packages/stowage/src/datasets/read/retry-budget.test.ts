import { describe, expect, it } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

describe('RetryBudget', () => {
  it('gives three turns at least, and lets the fourth wait for one of them', async () => {
    const budget = new RetryBudget()
    const first = await budget.take()
    await budget.take()
    await budget.take()
    let isIn = false
    const fourth = budget.take().then((giveBack) => {
      isIn = true
      return giveBack
    })
    await settled()
    expect({ isIn, retrying: budget.retrying }).toEqual({ isIn: false, retrying: 3 })
    first()
    first()
    await fourth
    expect({ isIn, retrying: budget.retrying }).toEqual({ isIn: true, retrying: 3 })
  })

  it('gives a fifth of the reads under way their turn', async () => {
    const budget = new RetryBudget()
    const leave = Array.from({ length: 100 }, () => budget.enter())
    const turns: (() => void)[] = []
    for (let i = 0; i < 50; i++) budget.take().then((giveBack) => turns.push(giveBack))
    await settled()
    expect(turns).toHaveLength(20)
    for (const one of leave) one()
    for (const giveBack of turns.splice(0)) giveBack()
    await settled()
    expect(budget.retrying).toBe(3)
  })

  it('forgets who is aborted while he waits', async () => {
    const budget = new RetryBudget()
    const turns = [await budget.take(), await budget.take(), await budget.take()]
    const stop = new AbortController()
    const waiting = budget.take(stop.signal)
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
    for (const giveBack of turns) giveBack()
    expect(budget.retrying).toBe(0)
  })
})
