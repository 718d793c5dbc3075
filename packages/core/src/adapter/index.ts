export type {
  AttemptCounts,
  CallOptions,
  CompleteOptions,
  CopyOptions,
  DeleteManyResult,
  DeleteOptions,
  GetOptions,
  HeadOptions,
  ListOptions,
  Location,
  MultipartOperations,
  PartCopyOptions,
  PartOptions,
  Place,
  PresignedRequest,
  PresignOptions,
  PutOptions,
  RestoreOptions,
  StorageAdapter,
  UnfinishedUpload,
  UploadedPart,
  UploadOptions,
  WatchOptions,
} from './adapter.ts'
export { bodySize, exactLength, type Memory, onBytesIn, readAll, readExactly } from './body.ts'
export { BodyPiece } from './body-piece.ts'
export type { Capabilities, MultipartCapabilities, PresignedWrites, PresignMethod } from './capabilities.ts'
export type { DiagnoseOptions, Diagnosis, Finding, FindingSeverity, Permission } from './doctor.ts'
export { at, formatLocation, locationsOverlap } from './location.ts'
export type {
  ByteSource,
  Checksum,
  ChecksumAlgorithm,
  EventGap,
  GetResult,
  ListedObject,
  ListPage,
  ObjectAttributes,
  ObjectEvent,
  ObjectHeaders,
  ObjectInfo,
  PutResult,
  SkippedEntry,
} from './objects.ts'
export {
  isProbeKey,
  type ProbeCheck,
  type ProbeFailure,
  type ProbeOptions,
  type ProbeResult,
  probeFailure,
  probeFolder,
} from './probe.ts'
