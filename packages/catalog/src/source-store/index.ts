export { SqlSourceStore } from './store.ts'
