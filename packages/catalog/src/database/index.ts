export { afterPrefix, fromBytes, toBytes } from './bytes.ts'
export { DatabaseClock } from './clock.ts'
export { type Context, contextOf, inTransaction } from './context.ts'
export { counted, nextCount } from './counters.ts'
export { type CatalogDatabase, type CatalogDialect, locked } from './dialect.ts'
export { parseNumbers, parseObject, parseTexts } from './json.ts'
export type {
  CatalogSchema,
  DamageTable,
  DatasetTable,
  DraftFileTable,
  DraftTable,
  OutboxTable,
  PinTable,
  RemovalTable,
  ReplicaTable,
  SourceCredentialTable,
  SourceTable,
  VersionTable,
} from './schema.ts'
