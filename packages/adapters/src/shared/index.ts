export { chunksOf } from './abortable.ts'
export { aborted, type BodySource, ExactBody } from './body.ts'
export {
  assertKey,
  assertSupported,
  type Called,
  canBePrefix,
  closed,
  headersOf,
  notFound,
  notSupported,
  preconditionFailed,
  uploadNotFound,
} from './calls.ts'
export { type ChecksumCheck, checksumCheck, crc32Base64, wrongChecksum } from './checksum.ts'
export { probeWithin } from './probe.ts'
export { assertRange, rangeBeyondEnd, resolveRange } from './range.ts'
export { assertPartNumber, assertParts, assertPresign } from './requests.ts'
