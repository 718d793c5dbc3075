import type { Location, ObjectAttributes, ObjectHeaders, ObjectInfo } from '@stowage/core'
import { type PlannedObject, sameEtag } from '../plan/index.ts'
import type { TransferContext } from './context.ts'

/** User metadata that names where a copy came from: `<source id>;<etag of the source's object>`. Part of the format. */
export const ORIGIN = 'stowage-origin'

/** User metadata that holds the digest which the bytes were checked against. Part of the format. */
export const DIGEST = 'stowage-digest'

/** S3 takes 2 KiB of user metadata in all; what an object brings itself goes first. */
const metadataBytes = 2048

function originOf(from: Location, etag: string): string {
  return `${from.adapter.id};${etag}`
}

/** What a copy is written with: the headers, and the tags where both stores have them. Those cost a request, for
 * an object that has some or of which it is not told. */
export async function attributesFor(
  { from, to }: Pick<TransferContext, 'from' | 'to'>,
  info: ObjectInfo,
  source: PlannedObject,
  signal: AbortSignal,
): Promise<ObjectAttributes> {
  const headers = headersFor(info, source, from, to)
  const { tags, tagCountByHead = false } = from.adapter.capabilities
  const hasTags = info.tagCount === undefined ? tagCountByHead : info.tagCount > 0
  if (!tags || !to.adapter.capabilities.tags || !hasTags) return headers
  const version = info.versionId === undefined ? {} : { versionId: info.versionId }
  return { ...headers, tags: await from.adapter.getTags(from.prefix + source.key, { ...version, signal }) }
}

/** The headers a copy is written with: those of its source, and a note of where it comes from, where the target keeps metadata itself. */
function headersFor(info: ObjectInfo, source: PlannedObject, from: Location, to: Location): ObjectHeaders {
  const keeps = to.adapter.capabilities.metadata
  if (keeps === 'none') return {}
  const { [ORIGIN]: _origin, [DIGEST]: _digest, ...metadata } = info.metadata
  if (keeps === 'native') {
    const notes: Record<string, string> = { [ORIGIN]: originOf(from, info.etag) }
    if (source.digest !== undefined) notes[DIGEST] = source.digest
    if (bytesOf(metadata) + bytesOf(notes) <= metadataBytes) Object.assign(metadata, notes)
  }
  const contentType = source.contentType ?? info.contentType
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(info.cacheControl === undefined ? {} : { cacheControl: info.cacheControl }),
    ...(info.contentDisposition === undefined ? {} : { contentDisposition: info.contentDisposition }),
    ...(info.contentEncoding === undefined ? {} : { contentEncoding: info.contentEncoding }),
    ...(info.contentLanguage === undefined ? {} : { contentLanguage: info.contentLanguage }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  }
}

function bytesOf(metadata: Record<string, string>): number {
  return Object.entries(metadata).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value) * 2, 0)
}

/** Whether a target's metadata says that it is a copy of something from this source. */
export function isFrom(target: ObjectInfo, from: Location): boolean {
  return target.metadata[ORIGIN]?.startsWith(originOf(from, '')) === true
}

/** Whether a target's metadata says that it is a copy of exactly this source object. */
export function isCopyOf(target: ObjectInfo, source: PlannedObject, from: Location): boolean {
  if (target.size !== source.size) return false
  if (source.digest !== undefined && target.metadata[DIGEST] !== undefined)
    return target.metadata[DIGEST] === source.digest
  const origin = target.metadata[ORIGIN]
  const id = originOf(from, '')
  return source.etag !== '' && origin?.startsWith(id) === true && sameEtag(origin.slice(id.length), source.etag)
}
