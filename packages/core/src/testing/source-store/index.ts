export { type SourceStoreSuite, testSourceStore } from './suite.ts'
export type { SourceStoreUnderTest } from './under-test.ts'
