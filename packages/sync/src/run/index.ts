export { type ForgetUploadsOptions, forgetUploads } from './forget-uploads.ts'
export type { ConflictPolicy, SettledObject, SourceObject, SyncOptions, SyncResult, SyncRetries } from './options.ts'
export { runSync } from './run.ts'
export { isSafetyStop } from './safety.ts'
