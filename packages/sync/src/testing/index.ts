export { FakeAdapter, type FakeAdapterOptions, type FakeCall } from './fake-adapter.ts'
export { fakeOwner, patterned } from './fixtures.ts'
