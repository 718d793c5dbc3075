import { expect, it } from 'vitest'
import { countRow, noCounts } from './counts.ts'

it('extra keys are remembered up to some bytes, however long they are, and none beyond', () => {
  for (const length of [10, 1000]) {
    const counts = noCounts()
    let held = 0
    let rows = 0
    for (; rows < 200_000 && counts.extraKeys !== undefined; rows++) {
      const key = `${rows}`.padStart(length, 'x')
      countRow({ key, target: { key, size: 1, etag: 'e' } }, counts, () => true)
      if (counts.extraKeys?.has(key)) held += 2 * length
    }
    expect(counts.extraKeys).toBeUndefined()
    expect(counts.extra).toBe(rows)
    expect(held).toBeLessThanOrEqual(8 * 1024 * 1024)
    expect(rows).toBeGreaterThan(4000)
  }
})
