export { type DatasetStoreSuite, type DatasetStoreUnderTest, testDatasetStore } from './suite.ts'
