import { at, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

function setup() {
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  const sync = createSync({ store: memoryStore(), clock: new FakeClock(), random: seededRandom(1) })
  return { a, b, verify: (options = {}) => sync.verify(at(a, 'x'), at(b, 'y'), options) }
}

describe('verify', () => {
  it('finds nothing where nothing differs, and says how much it read', async () => {
    const { a, b, verify } = setup()
    for (const side of [a, b]) side.seed(side === a ? 'x/k' : 'y/k', 'same')
    expect(await verify()).toMatchObject({
      status: 'same',
      objects: { same: 1, different: 0 },
      bytes: 8,
      differences: [],
    })
  })

  it('tells what differs: bytes of the same size, sizes, and keys of one side only', async () => {
    const { a, b, verify } = setup()
    a.seed('x/bytes', 'one')
    b.seed('y/bytes', 'two')
    a.seed('x/size', 'one')
    b.seed('y/size', 'three')
    a.seed('x/a', '')
    b.seed('y/b', '')
    b.seed('y/skip.tmp', '')
    const result = await verify({ exclude: ['*.tmp'] })
    expect(result.status).toBe('different')
    expect(result.objects).toEqual({ same: 0, different: 2, onlyA: 1, onlyB: 1, failed: 0 })
    expect(Object.fromEntries(result.differences.map(({ key, kind }) => [key, kind]))).toEqual({
      a: 'only-a',
      b: 'only-b',
      bytes: 'different',
      size: 'different',
    })
  })

  it('counts what it cannot read as a failure, and a listing that fails ends it', async () => {
    const { a, b, verify } = setup()
    a.seed('x/k', 'same')
    b.seed('y/k', 'same')
    b.options.before = ({ operation }) => {
      if (operation === 'get') throw new StowageError('access-denied', 'no')
    }
    expect(await verify()).toMatchObject({ status: 'different', objects: { failed: 1, same: 0 } })
    b.options.before = ({ operation }) => {
      if (operation === 'list') throw new StowageError('access-denied', 'no')
    }
    await expect(verify()).rejects.toMatchObject({ code: 'access-denied', field: 'to' })
  })
})
