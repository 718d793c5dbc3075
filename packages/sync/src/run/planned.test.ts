import { at } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type PlannedChange } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

function setup() {
  const [a, b] = [new FakeAdapter({ id: 'a' }), new FakeAdapter({ id: 'b' })]
  const sync = createSync({ store: memoryStore(), clock: new FakeClock(), random: seededRandom(1) })
  const places = { from: at(a, 'src'), to: at(b, 'dst') }
  const planned: PlannedChange[] = []
  const dry = { dryRun: true, onPlanned: (change: PlannedChange) => planned.push(change) }
  return { a, b, sync, places, planned, dry }
}

describe('what a dry run tells', () => {
  it('is what the run then does', async () => {
    const { a, b, sync, places, planned, dry } = setup()
    for (const key of ['gone', 'kept', 'edited']) a.seed(`src/${key}`, key)
    await sync.run(places)
    a.objects.delete('src/gone')
    a.seed('src/edited', 'newer')
    a.seed('src/new', '12345')
    expect(await sync.run({ ...places, delete: true, ...dry })).toMatchObject({ objects: { copied: 2, deleted: 1 } })
    expect(planned).toEqual([
      { action: 'copy', at: 'to', key: 'edited', size: 5 },
      { action: 'copy', at: 'to', key: 'new', size: 5 },
      { action: 'delete', at: 'to', key: 'gone' },
    ])
    expect(Object.keys(b.contents())).toEqual(['dst/edited', 'dst/gone', 'dst/kept'])
    planned.length = 0
    await sync.run({ ...places, ...dry })
    expect(planned.map(({ action }) => action)).toEqual(['copy', 'copy'])
    planned.length = 0
    await sync.run({ ...places, onPlanned: dry.onPlanned })
    expect(planned).toEqual([])
  })

  it('names the side that would be changed', async () => {
    const { a, b, sync, places, planned, dry } = setup()
    for (const key of ['gone-here', 'gone-there', 'x', 'y']) a.seed(`src/${key}`, key)
    await sync.run({ ...places, twoWay: true })
    a.objects.delete('src/gone-here')
    b.objects.delete('dst/gone-there')
    b.seed('dst/new', 'new')
    await sync.run({ ...places, twoWay: true, ...dry })
    expect(planned).toEqual([
      { action: 'copy', at: 'from', key: 'new', size: 3 },
      { action: 'delete', at: 'to', key: 'gone-here' },
      { action: 'delete', at: 'from', key: 'gone-there' },
    ])
  })

  it('names deletes that are too many to be made, and no deletes beside failures', async () => {
    const { a, b, sync, places, planned, dry } = setup()
    for (const key of ['a', 'b', 'c']) b.seed(`dst/${key}`, key)
    a.seed('src/a', 'a')
    await expect(sync.run({ ...places, delete: true, ...dry })).rejects.toMatchObject({ code: 'unsafe' })
    expect(planned.filter(({ action }) => action === 'delete').map(({ key }) => key)).toEqual(['b', 'c'])
    planned.length = 0
    await sync.run({ ...places, delete: true, maxDeletePercent: 100, checkKey: () => 'is not wanted', ...dry })
    expect(planned).toEqual([])
  })
})
