import { testAdapter } from '../testing/index.ts'
import { memory } from './index.ts'

testAdapter({
  name: 'memory',
  create: async () => ({ adapter: memory({ id: 'scratch' }), cleanup: async () => {} }),
})

testAdapter({
  name: 'memory with the limits of a bucket',
  create: async () => ({
    adapter: memory({ id: 'scratch', minPartSize: 5 * 1024 * 1024, pageSize: 10 }),
    cleanup: async () => {},
  }),
})
