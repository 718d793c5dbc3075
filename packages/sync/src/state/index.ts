export {
  deleteRecord,
  listRecords,
  type Records,
  readRecord,
  storeNow,
  writeRecord,
  writeTogether,
} from './cas.ts'
export { type Intent, IntentLog, knownAs } from './intent-log.ts'
export { Lease, type LeaseOptions, type Revised } from './lease.ts'
export { isHeld, LEASE_MS, type LeasedRecord, type LeaseRecord, newLease } from './lease-record.ts'
export { decodeEntries, decodeRefs, encodeEntries, entryCost } from './ledger-codec.ts'
export { editLedger, findEntries } from './ledger-edit.ts'
export type { Fingerprint, LedgerEntry } from './ledger-entry.ts'
export {
  type EntryOrigin,
  type LedgerPage,
  mergeEntries,
  overlay,
  readLedger,
  referencedRecords,
} from './ledger-reader.ts'
export { LedgerWriter } from './ledger-writer.ts'
export { type Owner, type ProcessIdentity, processOwner } from './owner.ts'
export { PairLease } from './pair-lease.ts'
export { above, type ChunkRef, decodePair, type PairState } from './pair-record.ts'
export {
  addBytes,
  addCounts,
  bytesOf,
  noPartBytes,
  noPartCounts,
  type PartBytes,
  type PartCounts,
  type PartInfo,
} from './part-info.ts'
export { createPartition, type Partition, Partitions, sweepPartitions } from './partitions.ts'
export { waitQuiet } from './quiet.ts'
export { backwards, type PairEnd, type PairKeys, pairKeys, taskKey } from './record-keys.ts'
export {
  cancelRequested,
  createTasks,
  encodeTask,
  forgetCancel,
  requestCancel,
  type SyncTasks,
  saveTask,
} from './tasks.ts'
export {
  type SentPart,
  type SourcePin,
  UploadLog,
  UploadNote,
  type UploadOutcome,
} from './upload-log.ts'
export { takeWish, Wish } from './wishes.ts'
