export { type Catalog, type CatalogLocation, type CatalogOptions, type OpenCatalog, openCatalog } from './open.ts'
