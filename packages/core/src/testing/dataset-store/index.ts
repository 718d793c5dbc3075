export { type DatasetStoreSuite, testDatasetStore } from './suite.ts'
export type { DatasetStoreUnderTest } from './under-test.ts'
