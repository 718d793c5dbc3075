export { afterPrefix, fromBytes, toBytes } from './bytes.ts'
export { type CatalogDatabase, type CatalogDialect, locked } from './dialect.ts'
export { parseNumbers, parseTexts } from './json.ts'
export type {
  CatalogSchema,
  DatasetTable,
  DraftFileTable,
  DraftTable,
  OutboxTable,
  ReplicaTable,
  VersionTable,
} from './schema.ts'
