import { type PresignOptions, StowageError, type UploadedPart } from '@stowage/core'
import { assertKey, assertSupported, type Called } from './calls.ts'

/** The limit of signature V4: seven days, in seconds. */
const longestPresign = 604_800

/** Refuses what cannot be presigned. @throws StowageError `not-supported`, `invalid-key`, `invalid-request` */
export function assertPresign(adapter: Called, options: PresignOptions): void {
  assertSupported(adapter, adapter.capabilities.presign.includes(options.method), `presigning a ${options.method}`)
  assertKey(adapter, options.key)
  if (!Number.isInteger(options.expiresIn) || options.expiresIn < 1 || options.expiresIn > longestPresign) {
    throw wrong(adapter, 'expiresIn', `must be whole seconds from 1 to ${longestPresign}`)
  }
  if (options.method === 'part') {
    if (!options.uploadId) throw wrong(adapter, 'uploadId', 'is needed to presign a part')
    assertPartNumber(adapter, options.partNumber)
  }
}

/** Refuses part numbers out of the store's range. @throws StowageError `invalid-request` */
export function assertPartNumber(adapter: Called, partNumber: number | undefined): void {
  const { multipart } = adapter.capabilities
  const most = multipart === false ? 0 : multipart.maxParts
  if (partNumber !== undefined && Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= most) return
  throw wrong(adapter, 'partNumber', `must be a whole number from 1 to ${most}`)
}

/**
 * Refuses lists of parts that no store would complete: empty, out of order, or with a part but the last below the least size.
 * @throws StowageError `invalid-request`
 */
export function assertParts(adapter: Called, parts: readonly UploadedPart[]): void {
  const { multipart } = adapter.capabilities
  if (multipart === false) return
  if (parts.length === 0) throw wrong(adapter, 'parts', 'is empty')
  for (const [i, part] of parts.entries()) {
    assertPartNumber(adapter, part.partNumber)
    const next = parts[i + 1]
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

function wrong(adapter: Called, field: string, why: string): StowageError {
  return new StowageError('invalid-request', `${adapter.id}: ${field} ${why}.`, { field, sourceId: adapter.id })
}
