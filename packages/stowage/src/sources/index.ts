export { CatalogSources, type SourceUpdate } from './catalog-sources.ts'
export type { SourceOrigin, SourceView } from './entry.ts'
export { Sources } from './sources.ts'
export type { Credentials } from './stored-config.ts'
