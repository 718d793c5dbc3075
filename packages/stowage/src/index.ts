export { StowageError } from '@stowage/core'
export { explain } from '@stowage/router'
export { createStowage, type LocationSync, Stowage, type StowageOptions } from './app/stowage.ts'
export type { Tasks } from './app/tasks.ts'
export type {
  CatalogConfig,
  PolicyConfig,
  RoutingConfig,
  SourceConfig,
  StowageConfig,
  StowageConfigInput,
  WithEnv,
} from './config/index.ts'
export { loadConfig, parseConfig } from './config/index.ts'
export type {
  Access,
  AccessOptions,
  CreateDatasetOptions,
  DatasetFile,
  DatasetHandle,
  Datasets,
  DatasetView,
  Downloaded,
  DownloadOptions,
  DownloadProgress,
  OpenDraft,
  OpenOptions,
  Uploaded,
  UploadedFolder,
  UploadFolderOptions,
  UploadOptions,
  UploadStreamOptions,
} from './datasets/index.ts'
export type { Replication, ReplicationOptions } from './policies/index.ts'
export type { Sources, SourceView } from './sources/index.ts'
