import { randomBytes } from 'node:crypto'
import { type FakeClock, testDatasetStore, testSourceStore, testSyncStore } from '@stowage/core/testing'
import { withPostgres } from '@stowage/test-support'
import { type OpenCatalog, openCatalog } from '../open.ts'

await withPostgres(({ url }) => {
  const fresh = async (clock?: FakeClock) => {
    const location = {
      type: 'postgres',
      url,
      schema: `s_${randomBytes(6).toString('hex')}`,
      maxConnections: 5,
    } as const
    const options = clock === undefined ? {} : { clock }
    let catalog: OpenCatalog = await openCatalog(location, options)
    return {
      catalog,
      reopen: async () => {
        await catalog.close()
        catalog = await openCatalog(location, options)
        return catalog
      },
      cleanup: () => catalog.close(),
    }
  }

  testSyncStore({
    name: 'PostgreSQL',
    batches: true,
    create: async () => {
      const { catalog, reopen, cleanup } = await fresh()
      return { store: catalog.sync, reopen: async () => (await reopen()).sync, cleanup }
    },
  })

  testDatasetStore({
    name: 'PostgreSQL',
    create: async (clock: FakeClock) => {
      const { catalog, reopen, cleanup } = await fresh(clock)
      return { store: catalog.datasets, reopen: async () => (await reopen()).datasets, cleanup }
    },
  })

  testSourceStore({
    name: 'PostgreSQL',
    create: async (clock: FakeClock) => {
      const { catalog, reopen, cleanup } = await fresh(clock)
      return {
        store: catalog.sources,
        datasets: catalog.datasets,
        reopen: async () => (await reopen()).sources,
        cleanup,
      }
    },
  })
})
