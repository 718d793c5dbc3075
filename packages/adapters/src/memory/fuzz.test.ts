import { runs } from '@stowage/test-support'
import { fuzzAdapter } from '../testing/fuzz/fuzz.ts'
import { memory } from './index.ts'

fuzzAdapter({
  name: 'memory',
  count: runs(200, 10_000),
  fetches: false,
  create: async () => {
    const adapter = memory({ id: 'here' })
    return { adapter, cleanup: () => adapter.close() }
  },
})
