import { describe, expect, it } from 'vitest'
import { addLags, type LagRecord, lagOf } from './lag.ts'

describe('lag', () => {
  it('is from the write to the copy, smoothed, with its median and its worst', () => {
    let record: LagRecord | undefined
    for (let i = 1; i <= 1000; i++) record = addLags(record, [{ written: 1000, heard: 1000 }], 1000 + (i % 100)).record
    if (record === undefined) throw new Error('There is no record.')
    const lag = lagOf(record)
    expect(lag.count).toBe(256)
    expect(lag.p50Ms).toBeGreaterThan(40)
    expect(lag.p50Ms).toBeLessThan(60)
    expect(lag.p99Ms).toBeGreaterThan(95)
    expect(lag.aheadMs).toBe(0)
    expect(JSON.stringify(record).length).toBeLessThan(4096)
  })

  it('takes off what a clock is ahead, and is never below nothing', () => {
    const hour = 3_600_000
    const first = addLags(undefined, [{ written: hour + 900, heard: 1000 }], 3000)
    // Heard after 0.1 s at least, so the write was at 1000 at the latest.
    expect(first.ms).toBe(2000)
    expect(first.record.aheadMs).toBe(hour - 100)
    expect(addLags(first.record, [{ written: 5000, heard: 5000 }], 4000).ms).toBeGreaterThanOrEqual(0)
    expect(addLags(undefined, [{ written: 0, heard: hour }], hour + 500)).toMatchObject({
      ms: hour + 500,
      sinceHeardMs: 500,
    })
  })
})
