export { FakeAdapter, type FakeAdapterOptions, type FakeCall } from './fake-adapter.ts'
