import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { at } from '@stowage/core'
import { testSyncStore } from '@stowage/core/testing'
import { createSync } from '@stowage/sync'
import { tempDir } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { tableStore } from './table-store.ts'

testSyncStore({
  name: 'a table of your own',
  create: async () => {
    const path = join(tempDir('store'), 'state.db')
    const store = tableStore(path)
    return { store, reopen: async () => tableStore(path), cleanup: () => store.close() }
  },
})

it('is all that a sync needs', async () => {
  const store = tableStore(join(tempDir('store'), 'state.db'))
  const [a, b] = [memory({ id: 'a' }), memory({ id: 'b' })]
  await a.put('raw/x', Buffer.from('x'))
  const sync = createSync({ store })
  expect(await sync.run({ from: at(a, 'raw'), to: at(b, 'copy') })).toMatchObject({ objects: { copied: 1 } })
  expect(await sync.run({ from: at(a, 'raw'), to: at(b, 'copy') })).toMatchObject({
    objects: { copied: 0, skipped: 1 },
  })
  await store.close()
})
