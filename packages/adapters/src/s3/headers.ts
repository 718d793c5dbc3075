import type { StorageClass } from '@aws-sdk/client-s3'
import { type ObjectAttributes, type ObjectHeaders, type ObjectInfo, StowageError } from '@stowage/core'
import { type Called, headersOf } from '../shared/index.ts'
import type { EncryptionFields } from './encryption.ts'
import { malformed } from './errors.ts'
import { encodeTags } from './tags.ts'

/** Values that a header can carry as they are: printable ASCII without blanks at the ends or in a row (signing folds those). */
const plain = /^[!-~]+( [!-~]+)*$/
const encodedWord = /^=\?utf-8\?([bq])\?(.*)\?=$/i
const encodedCharacter = /[%+]/
const printable = /^[ -~]*$/

/**
 * A metadata value as a header can carry it. What is not plain goes as an encoded word of RFC 2047, as AWS S3 itself writes such
 * values; also a value that only looks like one, so that every text comes back as it was.
 */
export function encodeMetadataValue(value: string): string {
  if (plain.test(value) && !encodedWord.test(value)) return value
  return `=?UTF-8?B?${Buffer.from(value, 'utf8').toString('base64')}?=`
}

/** The text of a metadata value, encoded words of RFC 2047 (both kinds) included. */
export function decodeMetadataValue(value: string): string {
  const match = encodedWord.exec(value)
  const text = match?.[2]
  if (match === null || text === undefined) return value
  if (match[1]?.toLowerCase() === 'b') return Buffer.from(text, 'base64').toString('utf8')
  const bytes = text
    .replaceAll('_', ' ')
    .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

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
 * @throws StowageError `invalid-request` for a header that is not ASCII, for tags and storage classes that the store does not take
 */
export function headerFields(adapter: Called, options: ObjectAttributes | undefined): HeaderFields {
  const { metadata, ...headers } = headersOf(adapter, options)
  const result: HeaderFields = {}
  for (const name of Object.keys(fields) as (keyof typeof fields)[]) {
    const value = headers[name]
    if (value === undefined) continue
    if (!printable.test(value)) {
      throw new StowageError('invalid-request', `${adapter.id}: ${name} has characters that a header cannot carry.`, {
        sourceId: adapter.id,
        field: name,
      })
    }
    result[fields[name]] = value
  }
  if (metadata !== undefined) {
    result.Metadata = Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [name, encodeMetadataValue(value)]),
    )
  }
  if (options?.tags !== undefined) result.Tagging = encodeTags(adapter, options.tags)
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
  if (isArchived(answer)) info.archived = true
  const checksums = checksumsOf(answer)
  if (Object.keys(checksums).length > 0) info.checksums = checksums
  return info
}

/** Checksums of the whole object. Composite ones are checksums of parts' checksums, with the number of parts behind. */
export function checksumsOf(answer: ObjectAnswer): NonNullable<ObjectInfo['checksums']> {
  const whole = (value: string | undefined): string | undefined =>
    value === undefined || value.includes('-') || answer.ChecksumType === 'COMPOSITE' ? undefined : value
  const all = {
    crc32: whole(answer.ChecksumCRC32),
    crc32c: whole(answer.ChecksumCRC32C),
    crc64nvme: whole(answer.ChecksumCRC64NVME),
    sha256: whole(answer.ChecksumSHA256),
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as NonNullable<
    ObjectInfo['checksums']
  >
}

function isArchived(answer: ObjectAnswer): boolean {
  // Intelligent tiering tells its archives apart; it takes an object out of them by itself when it has been restored.
  if (answer.ArchiveStatus !== undefined) return true
  if (answer.StorageClass !== 'GLACIER' && answer.StorageClass !== 'DEEP_ARCHIVE') return false
  return !(answer.Restore ?? '').includes('ongoing-request="false"')
}

/** An entity tag without its quotes. */
export function unquote(etag: string | undefined): string {
  if (etag === undefined) return ''
  return etag.slice(etag.startsWith('"') ? 1 : 0, etag.length > 1 && etag.endsWith('"') ? -1 : etag.length)
}

/** An entity tag as a condition carries it. */
export function quote(etag: string): string {
  return `"${etag}"`
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
