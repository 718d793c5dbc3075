export { KnownSecrets } from './known-secrets.ts'
export { loadConfig } from './load.ts'
export { checkPolicies, parseConfig } from './parse.ts'
export { sourceSchema } from './schema.ts'
export type {
  CatalogConfig,
  NetworkConfig,
  PolicyConfig,
  RoutingConfig,
  ScrubConfig,
  SourceConfig,
  StowageConfig,
  StowageConfigInput,
  VaultConfig,
  WithEnv,
} from './types.ts'
