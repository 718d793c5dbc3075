import { at, portablePathRules, s3KeyRules } from '@stowage/core'
import { describe, expect, it } from 'vitest'
import { createSync, isSafetyStop, memoryStore } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

function setup() {
  const a = new FakeAdapter({ id: 'a', capabilities: { keys: portablePathRules } })
  const b = new FakeAdapter({ id: 'b', capabilities: { keys: portablePathRules } })
  a.seed('photos/k', 'one')
  return { a, b, sync: createSync({ store: memoryStore() }) }
}

describe('a place that its store can hold nothing in', () => {
  it.each(['/photos', '../photos', 'x//photos', './photos'])('is refused: %s', async (prefix) => {
    const { a, b, sync } = setup()
    const wrong = { code: 'configuration', field: 'from', sourceId: 'a' }
    await expect(sync.run({ from: at(a, prefix), to: at(b, 'x') })).rejects.toMatchObject(wrong)
    await expect(sync.run({ from: at(a, prefix), to: at(b, 'x'), dryRun: true })).rejects.toMatchObject(wrong)
    await expect(sync.run({ from: at(a, 'photos'), to: at(b, prefix) })).rejects.toSatisfy((e) => !isSafetyStop(e))
    await expect(sync.verify(at(a, 'photos'), at(b, prefix))).rejects.toMatchObject({
      code: 'configuration',
      field: 'b',
    })
    expect(b.objects.size).toBe(0)
  })

  it('is not one that only another store could not hold, nor the root', async () => {
    const { a, sync } = setup()
    const wide = new FakeAdapter({ id: 'w', capabilities: { keys: s3KeyRules } })
    expect(await sync.run({ from: at(a, 'photos'), to: at(wide, '/photos') })).toMatchObject({ objects: { copied: 1 } })
    expect(await sync.run({ from: at(a, ''), to: at(wide, '') })).toMatchObject({ objects: { copied: 1 } })
  })
})
