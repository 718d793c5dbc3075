export { SqlSyncStore } from './sync-store.ts'
