export { type Clock, systemClock } from './clock.ts'
export type { DatasetStore, NewDataset, NewDraft, OutboxEntry, Publication, VersionPart } from './dataset-store.ts'
export { type FileSystem, systemFiles } from './file-system.ts'
export { type Random, systemRandom, ulid } from './random.ts'
export { checkRecordKey, checkRecordValue, MAX_RECORD_KEY, MAX_RECORD_VALUE } from './record-limits.ts'
export type { CopiesWanted, MarkOptions, ReplicaUses } from './replica-uses.ts'
export { checkNewSource, checkSourceChanges, credentialFields } from './source-rules.ts'
export type {
  JsonValue,
  NewSource,
  SealedCredentials,
  SourceChanges,
  SourceChangesSince,
  SourceOptions,
  SourceStore,
  StoredSource,
} from './source-store.ts'
export type { RecordWrite, StoredRecord, SyncStore } from './sync-store.ts'
