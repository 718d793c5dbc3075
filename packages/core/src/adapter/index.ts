export type {
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
  ProbeOptions,
  ProbeResult,
  PutOptions,
  RestoreOptions,
  StorageAdapter,
  UnfinishedUpload,
  UploadedPart,
} from './adapter.ts'
export { bodySize, exactLength, readAll, readExactly } from './body.ts'
export type { Capabilities, MultipartCapabilities, PresignMethod } from './capabilities.ts'
export { at, formatLocation, locationsOverlap } from './location.ts'
export type {
  ByteSource,
  Checksum,
  ChecksumAlgorithm,
  GetResult,
  ListedObject,
  ListPage,
  ObjectHeaders,
  ObjectInfo,
  PutResult,
  SkippedEntry,
} from './objects.ts'
