export { migrate, schemaVersion } from './migrate.ts'
