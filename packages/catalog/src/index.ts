export { type Catalog, type CatalogLocation, type CatalogOptions, openCatalog } from './open.ts'
