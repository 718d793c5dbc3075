export { type SyncStoreSuite, testSyncStore } from './suite.ts'
export type { SyncStoreUnderTest } from './under-test.ts'
