export { chunksOf } from './abortable.ts'
export { runAttempt, type SendOptions } from './attempt.ts'
export { readAuthorities } from './authorities.ts'
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
export { assertChecksum, type ChecksumCheck, checksumCheck, wrongChecksum } from './checksum.ts'
export { Gate, type NetworkOptions, type Resolve, type ResolvedAddress } from './connect.ts'
export { guardedAgents } from './connect-agents.ts'
export { deleteMany } from './delete-many.ts'
export { quote, unquote } from './etag.ts'
export { EventQueue } from './event-queue.ts'
export { Flow } from './flow.ts'
export {
  assertMetadataSize,
  attachment,
  decodeMetadataValue,
  encodeMetadataValue,
  httpHeadersOf,
} from './header-values.ts'
export { type Exchange, exchange, type HeaderList, HttpPool } from './http/index.ts'
export { brokenListing, listPages, type PageQuestion, type PageReply } from './listing.ts'
export type { Meaning } from './meaning.ts'
export { commonMeanings, meanings, statusMeaning } from './meanings.ts'
export {
  allRows,
  movesFrom,
  risesFrom,
  type UploadMarker,
  unknownUpload,
  uploadedPart,
} from './parts.ts'
export { secondsLeft } from './presign-time.ts'
export { type ProbeSteps, type Probing, runProbe } from './probe.ts'
export { answeredRange, assertRange, rangeBeyondEnd, rangeHeader, resolveRange } from './range.ts'
export {
  assertComplete,
  assertObjectChecksum,
  assertPartNumber,
  assertParts,
  assertPresign,
  assertPut,
  assertRestore,
  assertSize,
} from './requests.ts'
export { noAttempts, withRetries } from './retry.ts'
export { RightsTrial } from './rights.ts'
export { connectionCode, connectionMeaning, retryAfter, storeError, type Where } from './store-error.ts'
export { encodeTags, ossTagRules, s3TagRules } from './tags.ts'
export { asksForTls, wantsTls } from './tls-meaning.ts'
export { putUnknownSize } from './unknown-size.ts'
export { bufferedBytes, expectedStream, sliceBytes, slices } from './upload-stream.ts'
export { wrongOption } from './wrong-option.ts'
export { wrongPlace } from './wrong-place.ts'
