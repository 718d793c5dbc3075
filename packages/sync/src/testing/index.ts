export { FakeAdapter, type FakeAdapterOptions, type FakeCall } from './fake-adapter.ts'
export { fakeOwner, patterned } from './fixtures.ts'
export { Mortal, mortalStore } from './mortal.ts'
export { type OracleOptions, type OracleSide, TwoWayOracle } from './two-way-oracle.ts'
