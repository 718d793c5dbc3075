import {
  type ChecksumAlgorithm,
  type CompleteOptions,
  type PresignOptions,
  type PutOptions,
  type RestoreOptions,
  StowageError,
  type UploadedPart,
} from '@stowage/core'
import { assertKey, assertSupported, type Called } from './calls.ts'
import { assertChecksum } from './checksum.ts'

/** The limit of signature V4: seven days, in seconds. */
const longestPresign = 604_800

/** Refuses what cannot be presigned. @throws StowageError `not-supported`, `invalid-key`, `invalid-request` */
export function assertPresign(adapter: Called, options: PresignOptions): void {
  assertSupported(adapter, adapter.capabilities.presign.includes(options.method), `presigning a ${options.method}`)
  assertKey(adapter, options.key, options.method === 'part')
  if (!Number.isInteger(options.expiresIn) || options.expiresIn < 1 || options.expiresIn > longestPresign) {
    throw wrong(adapter, 'expiresIn', `must be whole seconds from 1 to ${longestPresign}`)
  }
  const { maxSize } = options
  if (maxSize !== undefined) {
    assertSupported(adapter, adapter.capabilities.presignMaxSize, 'maxSize of a presigned write')
    if (!Number.isSafeInteger(maxSize) || maxSize < 0) throw wrong(adapter, 'maxSize', 'must be a number of bytes')
  }
  if (options.method === 'part') {
    if (!options.uploadId) throw wrong(adapter, 'uploadId', 'is needed to presign a part')
    assertPartNumber(adapter, options.partNumber)
  }
}

/** Refuses a put that the store cannot make as it is meant. @throws StowageError `not-supported`, `invalid-request` */
export function assertPut(adapter: Called, { ifNoneMatch, ifMatch, checksum }: PutOptions): void {
  const { conditional, checksums } = adapter.capabilities
  assertSupported(adapter, ifNoneMatch === undefined || conditional.putCreateOnly, 'create-only put')
  assertSupported(adapter, ifMatch === undefined || conditional.putIfMatch, 'put with ifMatch')
  assertSupported(adapter, checksum === undefined || checksums.includes(checksum.algorithm), 'this checksum')
  if (checksum !== undefined) assertChecksum(adapter, checksum)
}

/** Refuses more bytes than one request takes. @throws StowageError `invalid-request` */
export function assertSize(adapter: Called, key: string, size: number, most: number): void {
  if (size <= most) return
  throw new StowageError('invalid-request', `${adapter.id}: one request takes ${most} bytes at most.`, {
    key,
    sourceId: adapter.id,
    hint: 'Use a multipart upload with smaller parts.',
  })
}

/** Refuses checksums of whole objects that are not declared. @throws StowageError `not-supported` */
export function assertObjectChecksum(adapter: Called, algorithm: ChecksumAlgorithm | undefined): void {
  const { multipart } = adapter.capabilities
  const declared = multipart !== false && algorithm !== undefined && multipart.objectChecksums?.includes(algorithm)
  assertSupported(adapter, algorithm === undefined || declared === true, 'this objectChecksum')
}

/** Refuses part numbers out of the store's range. @throws StowageError `invalid-request` */
export function assertPartNumber(adapter: Called, partNumber: number | undefined): void {
  const { multipart } = adapter.capabilities
  const most = multipart === false ? 0 : multipart.maxParts
  if (partNumber !== undefined && Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= most) return
  throw wrong(adapter, 'partNumber', `must be a whole number from 1 to ${most}`)
}

/**
 * Refuses lists of parts that no store would complete: empty, out of order, or with a part but the last below the least size; and parts of
 * several sizes where the store wants one.
 * @throws StowageError `invalid-request`
 */
export function assertParts(adapter: Called, parts: readonly UploadedPart[]): void {
  const { multipart } = adapter.capabilities
  if (multipart === false) return
  if (parts.length === 0) throw wrong(adapter, 'parts', 'is empty')
  const [first] = parts
  for (const [i, part] of parts.entries()) {
    assertPartNumber(adapter, part.partNumber)
    const next = parts[i + 1]
    const isOff = next === undefined ? part.size > (first?.size ?? 0) : part.size !== first?.size
    if (multipart.equalParts === true && isOff) {
      throw wrong(
        adapter,
        'parts',
        `has part ${part.partNumber} of ${part.size} bytes; the store wants all of one size`,
      )
    }
    if (next === undefined) continue
    if (next.partNumber <= part.partNumber) throw wrong(adapter, 'parts', 'must be in rising order of part numbers')
    if (part.size < multipart.minPartSize) {
      throw wrong(
        adapter,
        'parts',
        `has part ${part.partNumber} of ${part.size} bytes; all but the last need ${multipart.minPartSize}`,
      )
    }
  }
}

/**
 * Refuses a completion that the store cannot make as it is meant. Says whether it is create-only.
 * @throws StowageError `invalid-request`, `not-supported`
 */
export function assertComplete(adapter: Called, parts: readonly UploadedPart[], options: CompleteOptions): boolean {
  assertParts(adapter, parts)
  const createOnly = options.ifNoneMatch !== undefined
  const isDeclared = !createOnly || adapter.capabilities.conditional.completeCreateOnly
  assertSupported(adapter, isDeclared, 'create-only complete')
  const { completeIfMatch } = adapter.capabilities.conditional
  assertSupported(adapter, options.ifMatch === undefined || completeIfMatch === true, 'complete with ifMatch')
  return createOnly
}

/** Refuses to restore for days that are none. @throws StowageError `invalid-request` */
export function assertRestore(adapter: Called, key: string, { days }: RestoreOptions): void {
  if (Number.isInteger(days) && days >= 1) return
  throw new StowageError('invalid-request', `${adapter.id}: days must be a whole number from 1.`, {
    key,
    sourceId: adapter.id,
    field: 'days',
  })
}

function wrong(adapter: Called, field: string, why: string): StowageError {
  return new StowageError('invalid-request', `${adapter.id}: ${field} ${why}.`, { field, sourceId: adapter.id })
}
