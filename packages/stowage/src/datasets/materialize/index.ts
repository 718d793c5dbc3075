export { materialize } from './materialize.ts'
export type { Materialized, MaterializeOptions, MaterializeProgress } from './options.ts'
