import { testLease } from '../testing/index.ts'
import { newEntry } from './enqueue.ts'
import { entryRecord } from './entry-lease.ts'
import { pendingTask } from './task-records.ts'

const ends = { sourceId: 'a', sourcePrefix: '', targetId: 'b', targetPrefix: '' }

testLease({
  name: 'of a task of the queue',
  record: (random) => entryRecord('x', () => random.id(0)),
  empty: () => newEntry(pendingTask('x', ends, 0), {}, 0),
  stamp: { of: ({ attempts }) => attempts, with: (entry, attempts) => ({ ...entry, attempts }) },
})
