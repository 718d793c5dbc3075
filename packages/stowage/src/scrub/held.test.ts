import { FakeClock } from '@stowage/core/testing'
import { testLease } from '@stowage/sync/testing'
import type { Leased } from '../records/index.ts'
import { heldRecord } from './held.ts'

testLease<{ bytes: number } & Leased>({
  name: 'of a part of the scrub',
  record: (random) => heldRecord('scrub/place/x', { clock: new FakeClock(), random }),
  empty: () => ({ bytes: 0 }),
  stamp: { of: ({ bytes }) => bytes, with: (value, bytes) => ({ ...value, bytes }) },
})
