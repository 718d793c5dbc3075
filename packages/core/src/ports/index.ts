export { type Clock, systemClock } from './clock.ts'
export type { DatasetStore, NewDataset, NewDraft, OutboxEntry, Publication } from './dataset-store.ts'
export { type Random, systemRandom, ulid } from './random.ts'
export type { StoredRecord, SyncStore } from './sync-store.ts'
