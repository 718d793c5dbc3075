export { type CacheSettings, cacheSettings } from './cache-schema.ts'
export { KnownSecrets } from './known-secrets.ts'
export { loadConfig } from './load.ts'
export { checkPolicies, checkPolicy, parseConfig } from './parse.ts'
export { checkPolicyFields } from './policy-schema.ts'
export { isPrefixPair, type PolicyConfig, type PolicySyncOptions } from './policy-types.ts'
export { parseEvery, parseSchedule, type Schedule } from './schedule.ts'
export { sourceSchema } from './schema.ts'
export { bytesIn } from './sizes.ts'
export type {
  CacheConfig,
  CatalogConfig,
  NetworkConfig,
  NodeConfig,
  QueueConfig,
  QueueWork,
  RoutingConfig,
  ScrubConfig,
  Size,
  SourceConfig,
  StowageConfig,
  StowageConfigInput,
  VaultConfig,
  WithEnv,
} from './types.ts'
