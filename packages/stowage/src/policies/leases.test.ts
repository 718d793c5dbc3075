import { FakeClock } from '@stowage/core/testing'
import { memoryStore } from '@stowage/sync'
import { testLease } from '@stowage/sync/testing'
import { emptyState, type PolicyState } from './policy-records.ts'
import { Records } from './records.ts'

testLease<PolicyState>({
  name: 'of a policy',
  record: (random) => new Records({ store: memoryStore(), clock: new FakeClock(), random }).leased('policy/state/p'),
  empty: emptyState,
  stamp: { of: ({ failures }) => failures, with: (state, failures) => ({ ...state, failures }) },
})
