export type { Actor, UserType } from './actor.ts'
export {
  type Damage,
  type DamageKind,
  type Dataset,
  type DatasetReplica,
  type DatasetStatus,
  type DatasetVersion,
  type Draft,
  type DraftFile,
  datasetStatus,
  type ReplicaStatus,
} from './dataset.ts'
export type { Pin, Removal, ReplicaName, ReplicaUse, SourceUsage } from './replica-use.ts'
export {
  type HealthTrouble,
  type Source,
  type SourceHealth,
  type SourceStatus,
  type SourceType,
  sourceStatus,
  sourceTypes,
} from './source.ts'
export type {
  ObjectBounds,
  ObjectFailure,
  SyncCounts,
  SyncTask,
  SyncTaskOptions,
  TaskPhase,
  TaskStatus,
} from './task.ts'
