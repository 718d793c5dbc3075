import { tempDir } from '@stowage/test-support'
import { fileStore, memoryStore } from '../stores/index.ts'
import { testTaskQueue } from '../testing/index.ts'

testTaskQueue({
  name: 'local, in memory',
  create: async () => ({ store: memoryStore(), cleanup: async () => {} }),
})

testTaskQueue({
  name: 'local, in files',
  create: async () => ({ store: fileStore(tempDir('queue')), cleanup: async () => {} }),
})
