import { FakeClock } from '@stowage/core/testing'
import { testLease } from '@stowage/sync/testing'
import { heldRecord } from './held.ts'
import type { Leased } from './leased.ts'

testLease<{ bytes: number } & Leased>({
  name: 'of a record that is held',
  record: (random) => heldRecord('scrub/place/x', { clock: new FakeClock(), random }),
  empty: () => ({ bytes: 0 }),
  stamp: { of: ({ bytes }) => bytes, with: (value, bytes) => ({ ...value, bytes }) },
})
