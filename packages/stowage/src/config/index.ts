export { loadConfig } from './load.ts'
export { parseConfig } from './parse.ts'
export type {
  CatalogConfig,
  PolicyConfig,
  RoutingConfig,
  SourceConfig,
  StowageConfig,
  StowageConfigInput,
  WithEnv,
} from './types.ts'
