import { join } from 'node:path'
import { type FakeClock, testDatasetStore } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { type Catalog, openCatalog } from '../open.ts'

testDatasetStore({
  name: 'SQLite in memory',
  create: async (clock) => {
    const catalog = await openCatalog({ type: 'memory' }, { clock })
    return { store: catalog.datasets, cleanup: () => catalog.close() }
  },
})

testDatasetStore({
  name: 'SQLite in a file',
  create: async (clock: FakeClock) => {
    const path = join(tempDir('catalog'), 'catalog.db')
    let catalog: Catalog = await openCatalog({ type: 'sqlite', path }, { clock })
    return {
      store: catalog.datasets,
      reopen: async () => {
        await catalog.close()
        catalog = await openCatalog({ type: 'sqlite', path }, { clock })
        return catalog.datasets
      },
      cleanup: () => catalog.close(),
    }
  },
})
