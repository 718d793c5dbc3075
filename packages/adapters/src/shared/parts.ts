import { type Checksum, hasCode, type UploadedPart } from '@stowage/core'
import { type Called, uploadNotFound } from './calls.ts'
import { unquote } from './etag.ts'

/** `not-found` of a call on an upload means the upload, not the object. For `catch`. */
export function unknownUpload(adapter: Called, key: string): (error: unknown) => never {
  return (error) => {
    throw hasCode(error, 'not-found') ? uploadNotFound(adapter, key, error) : error
  }
}

/** A part as it was uploaded or is listed. */
export function uploadedPart(
  partNumber: number,
  etag: string | undefined,
  size: number,
  checksum: Checksum | undefined,
): UploadedPart {
  return { partNumber, etag: unquote(etag), size, ...(checksum === undefined ? {} : { checksum }) }
}

/** A page of what is listed by a marker. */
export interface MarkedPage<Row, Marker> {
  rows: readonly Row[]
  /** Where the next page begins; `undefined` at the end. */
  next: Marker | undefined
}

/** All rows of a listing by markers. `follows` says whether a marker leads on from the one before: one that does not would loop for ever. */
export async function allRows<Row, Marker>(
  ask: (marker: Marker | undefined) => Promise<MarkedPage<Row, Marker>>,
  follows: (next: Marker, before: Marker | undefined) => boolean,
): Promise<Row[]> {
  const all: Row[] = []
  let marker: Marker | undefined
  for (;;) {
    const { rows, next } = await ask(marker)
    all.push(...rows)
    if (next === undefined || !follows(next, marker)) return all
    marker = next
  }
}

/** Where a listing of unfinished uploads goes on. */
export interface UploadMarker {
  key: string
  uploadId: string
}

/** Whether a part number leads on. */
export function risesFrom(next: number, before: number | undefined): boolean {
  return next > (before ?? 0)
}

/** Whether a marker of uploads leads on. */
export function movesFrom(next: UploadMarker, before: UploadMarker | undefined): boolean {
  return next.key !== before?.key || next.uploadId !== before.uploadId
}
