import { runs, tempDir } from '@stowage/test-support'
import { fuzzAdapter } from '../testing/fuzz/fuzz.ts'
import { filesystem } from './index.ts'

fuzzAdapter({
  name: 'filesystem',
  count: runs(200, 10_000),
  fetches: false,
  create: async () => {
    const adapter = filesystem({ id: 'disk', root: tempDir('fuzz') })
    return { adapter, cleanup: () => adapter.close() }
  },
})
