export { type CreateSyncOptions, createSync, type Sync } from './create-sync.ts'
export {
  type DecideOptions,
  type Decision,
  decide,
  type KeyFilter,
  keyFilter,
  merge,
  type PlannedObject,
  type Row,
} from './plan/index.ts'
export {
  type CarrierWork,
  createTaskQueue,
  type Handled,
  type Hands,
  type NewTask,
  type QueueDepth,
  type QueuedTask,
  type Retention,
  type TaskCarrier,
  type TaskQueueOptions,
  type TaskService,
  type Ticket,
  type WorkOptions,
} from './queue/index.ts'
export {
  type ConflictPolicy,
  type ForgetUploadsOptions,
  isSafetyStop,
  type PlannedChange,
  type SettledObject,
  type SourceObject,
  type SyncOptions,
  type SyncResult,
  type SyncRetries,
} from './run/index.ts'
export {
  type Fingerprint,
  isHeld,
  Lease,
  type LeasedRecord,
  type LeaseOptions,
  type LeaseRecord,
  type LedgerEntry,
  type LedgerPage,
  type Owner,
  type PairEnd,
  type ProcessIdentity,
  processOwner,
  type Revised,
  type SyncTasks,
} from './state/index.ts'
export { fileStore, memoryStore, type ObjectStoreOptions, objectStore } from './stores/index.ts'
export { DIGEST, ORIGIN, PART_SIZE, partSizeFor } from './transfer/index.ts'
export type { Difference, VerifyCounts, VerifyOptions, VerifyResult } from './verify/index.ts'
