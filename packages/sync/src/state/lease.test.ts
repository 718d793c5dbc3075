import { testLease } from '../testing/index.ts'
import { pairRecord } from './pair-lease.ts'
import { emptyPair } from './pair-record.ts'

testLease({
  name: 'of a pair',
  record: () => pairRecord('pair/x/state'),
  empty: emptyPair,
  stamp: { of: ({ brought }) => brought, with: (state, brought) => ({ ...state, brought }) },
})
