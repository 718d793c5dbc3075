import { join } from 'node:path'
import { type FakeClock, testSourceStore } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { type OpenCatalog, openCatalog } from '../open.ts'

testSourceStore({
  name: 'SQLite in memory',
  create: async (clock) => {
    const catalog = await openCatalog({ type: 'memory' }, { clock })
    return { store: catalog.sources, datasets: catalog.datasets, cleanup: () => catalog.close() }
  },
})

testSourceStore({
  name: 'SQLite in a file',
  create: async (clock: FakeClock) => {
    const path = join(tempDir('catalog'), 'catalog.db')
    let catalog: OpenCatalog = await openCatalog({ type: 'sqlite', path }, { clock })
    return {
      store: catalog.sources,
      datasets: catalog.datasets,
      reopen: async () => {
        await catalog.close()
        catalog = await openCatalog({ type: 'sqlite', path }, { clock })
        return catalog.sources
      },
      cleanup: () => catalog.close(),
    }
  },
})
