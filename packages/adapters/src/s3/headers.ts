import type { StorageClass } from '@aws-sdk/client-s3'
import { type ObjectAttributes, type ObjectHeaders, type ObjectInfo, StowageError } from '@stowage/core'
import {
  assertMetadataSize,
  type Called,
  decodeMetadataValue,
  encodeMetadataValue,
  encodeTags,
  httpHeadersOf,
  s3TagRules,
  unquote,
} from '../shared/index.ts'
import type { EncryptionFields } from './encryption.ts'
import { malformed } from './errors.ts'

const encodedCharacter = /[%+]/
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: 2 KB */
const mostMetadataBytes = 2 * 1024

/** The fields of a request that carry an object's headers, as the SDK names them. */
export interface HeaderFields extends EncryptionFields {
  ContentType?: string
  CacheControl?: string
  ContentDisposition?: string
  ContentEncoding?: string
  ContentLanguage?: string
  Metadata?: Record<string, string>
  Tagging?: string
  StorageClass?: StorageClass
}

const fields = {
  contentType: 'ContentType',
  cacheControl: 'CacheControl',
  contentDisposition: 'ContentDisposition',
  contentEncoding: 'ContentEncoding',
  contentLanguage: 'ContentLanguage',
} as const satisfies Partial<Record<keyof ObjectHeaders, keyof HeaderFields>>

/**
 * The headers of a call's options for a request.
 * @throws StowageError `invalid-request` for a header that is not ASCII, too much metadata, for tags and storage classes that the store does not take
 */
export function headerFields(adapter: Called, options: ObjectAttributes | undefined): HeaderFields {
  const { metadata, ...headers } = httpHeadersOf(adapter, options)
  const result: HeaderFields = {}
  for (const name of Object.keys(fields) as (keyof typeof fields)[]) {
    const value = headers[name]
    if (value !== undefined) result[fields[name]] = value
  }
  if (metadata !== undefined) {
    const sent = Object.entries(metadata).map(([name, value]): [string, string] => [name, encodeMetadataValue(value)])
    assertMetadataSize(adapter, sent, 'x-amz-meta-', mostMetadataBytes)
    result.Metadata = Object.fromEntries(sent)
  }
  if (options?.tags !== undefined) result.Tagging = encodeTags(adapter, options.tags, s3TagRules)
  if (options?.storageClass !== undefined) result.StorageClass = storageClassOf(adapter, options.storageClass)
  return result
}

/** The store decides which classes it knows; a name is no more than letters, digits and `_` in any of them. */
function storageClassOf(adapter: Called, name: string): StorageClass {
  if (/^[A-Z0-9_]{1,64}$/.test(name)) return name as StorageClass
  throw new StowageError('invalid-request', `${adapter.id}: storageClass is no name of a storage class.`, {
    sourceId: adapter.id,
    field: 'storageClass',
    hint: "Use the store's own names, such as STANDARD or STANDARD_IA.",
  })
}

/** The parts of an answer to HEAD or GET that say what the object is. */
export interface ObjectAnswer {
  ETag?: string | undefined
  LastModified?: Date | undefined
  VersionId?: string | undefined
  ContentType?: string | undefined
  CacheControl?: string | undefined
  ContentDisposition?: string | undefined
  ContentEncoding?: string | undefined
  ContentLanguage?: string | undefined
  Metadata?: Record<string, string> | undefined
  StorageClass?: string | undefined
  TagCount?: number | undefined
  Restore?: string | undefined
  ArchiveStatus?: string | undefined
  ChecksumCRC32?: string | undefined
  ChecksumCRC32C?: string | undefined
  ChecksumCRC64NVME?: string | undefined
  ChecksumSHA256?: string | undefined
  ChecksumType?: string | undefined
}

/** What an answer says of an object. */
export function infoOf(key: string, size: number, answer: ObjectAnswer): ObjectInfo {
  const info: ObjectInfo = {
    key,
    size,
    etag: unquote(answer.ETag),
    lastModified: answer.LastModified?.getTime() ?? 0,
    metadata: {},
  }
  for (const name of Object.keys(fields) as (keyof typeof fields)[]) {
    const value = answer[fields[name]]
    if (value !== undefined && value !== '') info[name] = value
  }
  for (const [name, value] of Object.entries(answer.Metadata ?? {}))
    info.metadata[name.toLowerCase()] = decodeMetadataValue(value)
  // A store without versions says "null" or nothing.
  if (answer.VersionId !== undefined && answer.VersionId !== 'null') info.versionId = answer.VersionId
  if (answer.StorageClass !== undefined) info.storageClass = answer.StorageClass
  if (answer.TagCount !== undefined) info.tagCount = answer.TagCount
  if (isArchived(answer)) info.archived = true
  const checksums = checksumsOf(answer)
  if (checksums !== undefined) info.checksums = checksums
  return info
}

const checksumFields = [
  ['crc32', 'ChecksumCRC32'],
  ['crc32c', 'ChecksumCRC32C'],
  ['crc64nvme', 'ChecksumCRC64NVME'],
  ['sha256', 'ChecksumSHA256'],
] as const

/** Checksums of the whole object. Composite ones are checksums of parts' checksums, with the number of parts behind. */
function checksumsOf(answer: ObjectAnswer): ObjectInfo['checksums'] {
  let found: ObjectInfo['checksums']
  if (answer.ChecksumType === 'COMPOSITE') return found
  for (const [name, field] of checksumFields) {
    const value = answer[field]
    if (value !== undefined && !value.includes('-')) found = { ...found, [name]: value }
  }
  return found
}

function isArchived(answer: ObjectAnswer): boolean {
  // Intelligent tiering tells its archives apart; it takes an object out of them by itself when it has been restored.
  if (answer.ArchiveStatus !== undefined) return true
  if (answer.StorageClass !== 'GLACIER' && answer.StorageClass !== 'DEEP_ARCHIVE') return false
  return !(answer.Restore ?? '').includes('ongoing-request="false"')
}

/** A key as a listing with `encoding-type=url` writes it. @throws Error for what is no such text */
export function decodeListed(text: string): string {
  if (!encodedCharacter.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw malformed('a key is not encoded as was asked for')
  }
}
