export { Ailing } from './ailing.ts'
export { FakeAdapter, type FakeAdapterOptions, type FakeCall, hooksOf } from './fake-adapter.ts'
export { fakeOwner, patterned } from './fixtures.ts'
export { type LeaseSuite, testLease } from './lease/index.ts'
export { type OneWayEnd, type OneWayWish, oneWayEnd } from './one-way-oracle.ts'
export { isPartitioned, ledgerOf, runAs, type Worker } from './partitioned.ts'
export {
  endedAs,
  LeapClock,
  someTask,
  type TaskQueueSuite,
  type TaskQueueUnderTest,
  testTaskQueue,
} from './task-queue/index.ts'
export { type OracleOptions, type OracleSide, TwoWayOracle } from './two-way-oracle.ts'
