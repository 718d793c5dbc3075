import { join } from 'node:path'
import { testSyncStore } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { type Catalog, openCatalog } from '../open.ts'

testSyncStore({
  name: 'SQLite in memory',
  batches: true,
  create: async () => {
    const catalog = await openCatalog({ type: 'memory' })
    return { store: catalog.sync, cleanup: () => catalog.close() }
  },
})

testSyncStore({
  name: 'SQLite in a file',
  batches: true,
  create: async () => {
    const path = join(tempDir('catalog'), 'catalog.db')
    let catalog: Catalog = await openCatalog({ type: 'sqlite', path })
    return {
      store: catalog.sync,
      reopen: async () => {
        await catalog.close()
        catalog = await openCatalog({ type: 'sqlite', path })
        return catalog.sync
      },
      cleanup: () => catalog.close(),
    }
  },
})
