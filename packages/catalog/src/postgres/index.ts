export { openPostgres } from './open.ts'
export type { PostgresLocation } from './options.ts'
