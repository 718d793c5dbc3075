export { SqlDatasetStore } from './store.ts'
