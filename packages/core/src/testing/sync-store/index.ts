export { type SyncStoreSuite, type SyncStoreUnderTest, testSyncStore } from './suite.ts'
