export { StowageError } from '@stowage/core'
export { explain } from '@stowage/router'
export { createStowage, type StowageOptions } from './app/create.ts'
export type { QueueBoardPages } from './app/queue-board.ts'
export type { PartReadiness, ReadinessOptions, ReadyPart } from './app/readiness.ts'
export { type LocationSync, Stowage } from './app/stowage.ts'
export type { Tasks } from './app/tasks.ts'
export type { CacheStatus, Ensured, EnsureOptions, Evicted, EvictOptions, KeptBecause, Removed } from './cache/index.ts'
export type {
  CacheConfig,
  CatalogConfig,
  NetworkConfig,
  NodeConfig,
  PolicyConfig,
  PolicySyncOptions,
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
} from './config/index.ts'
export { loadConfig, parseConfig } from './config/index.ts'
export type {
  AcceptUploadOptions,
  Access,
  AccessOptions,
  CreateDatasetOptions,
  DatasetFile,
  DatasetHandle,
  Datasets,
  DatasetView,
  DocumentEnd,
  DocumentFile,
  DocumentHeader,
  DocumentWays,
  Downloaded,
  DownloadOptions,
  DownloadProgress,
  FolderAccess,
  FolderAccessOptions,
  ManifestAccess,
  ManifestAccessOptions,
  Materialized,
  MaterializeOptions,
  MaterializeProgress,
  OpenDraft,
  OpenOptions,
  ReadSession,
  SignedPart,
  SignedUpload,
  SignPartsOptions,
  SignUploadOptions,
  StreamAccess,
  StreamAccessOptions,
  SweepOptions,
  Swept,
  UploadBody,
  Uploaded,
  UploadedFolder,
  UploadFolderOptions,
  UploadOptions,
  UploadStreamOptions,
} from './datasets/index.ts'
export type { HealthConfig } from './health/index.ts'
export type {
  BucketEvent,
  Lag,
  PeriodicJob,
  PeriodicJobs,
  PeriodicRecord,
  Policies,
  PolicyOrigin,
  PolicyRun,
  PolicyRunOptions,
  PolicyRunRecord,
  PolicyTrigger,
  PolicyView,
  Replication,
  ReplicationOptions,
} from './policies/index.ts'
export { parseBucketEvents } from './policies/index.ts'
export type { DecisionCounters, DecisionLogOptions, Routing, RulesOrigin } from './routing/index.ts'
export type {
  DatasetVerification,
  ScrubFinding,
  ScrubOptions,
  ScrubProgress,
  ScrubResult,
  ScrubStatus,
  VerifyDatasetOptions,
} from './scrub/index.ts'
export type { Credentials, SourceDiagnosis, SourceOrigin, Sources, SourceUpdate, SourceView } from './sources/index.ts'
