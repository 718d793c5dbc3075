import { type ObjectAttributes, type ObjectHeaders, type ObjectInfo, type PutResult, StowageError } from '@stowage/core'
import {
  assertMetadataSize,
  type Called,
  decodeMetadataValue,
  encodeMetadataValue,
  encodeTags,
  httpHeadersOf,
  ossTagRules,
  unquote,
} from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { crc64Base64, crc64FromHeader } from './crc64.ts'

const fields = {
  contentType: 'content-type',
  cacheControl: 'cache-control',
  contentDisposition: 'content-disposition',
  contentEncoding: 'content-encoding',
  contentLanguage: 'content-language',
} as const satisfies Partial<Record<keyof ObjectHeaders, string>>

const metadataPrefix = 'x-oss-meta-'
/** https://www.alibabacloud.com/help/en/oss/user-guide/manage-object-metadata-10 */
const mostMetadataBytes = 8 * 1024

/** https://www.alibabacloud.com/help/en/oss/user-guide/overview-53 */
const storageClasses = ['Standard', 'IA', 'Archive', 'ColdArchive', 'DeepColdArchive']

/** What a write sends beside its bytes: the headers of its options, and how the store is to encrypt it. */
export function writeHeaders(
  { adapter, encryption }: Pick<OssContext, 'adapter' | 'encryption'>,
  options: ObjectAttributes | undefined,
): Record<string, string> {
  return { ...requestHeaders(adapter, options), ...encryption }
}

/**
 * The headers of a call's options for a request.
 * @throws StowageError `invalid-request` for a header that is not ASCII, for tags and storage classes that OSS does not take
 */
function requestHeaders(adapter: Called, options: ObjectAttributes | undefined): Record<string, string> {
  const { metadata, ...headers } = httpHeadersOf(adapter, options)
  const result: Record<string, string> = {}
  for (const name of Object.keys(fields) as (keyof typeof fields)[]) {
    const value = headers[name]
    if (value !== undefined) result[fields[name]] = value
  }
  const sent = Object.entries(metadata ?? {}).map(([name, value]): [string, string] => [
    encodeMetadataName(name),
    encodeMetadataValue(value),
  ])
  assertMetadataSize(adapter, sent, metadataPrefix, mostMetadataBytes)
  for (const [name, value] of sent) result[metadataPrefix + name] = value
  if (options?.tags !== undefined) result['x-oss-tagging'] = encodeTags(adapter, options.tags, ossTagRules)
  if (options?.storageClass !== undefined) result['x-oss-storage-class'] = storageClassOf(adapter, options.storageClass)
  return result
}

function storageClassOf(adapter: Called, name: string): string {
  if (storageClasses.includes(name)) return name
  throw new StowageError('invalid-request', `${adapter.id}: OSS has no storage class ${JSON.stringify(name)}.`, {
    sourceId: adapter.id,
    field: 'storageClass',
    hint: `It has: ${storageClasses.join(', ')}.`,
  })
}

/** What an answer to HEAD or GET says of an object. */
export function infoOf(key: string, size: number, headers: Readonly<Record<string, string>>): ObjectInfo {
  const info: ObjectInfo = {
    key,
    size,
    etag: unquote(headers['etag']),
    lastModified: Date.parse(headers['last-modified'] ?? '') || 0,
    metadata: {},
  }
  for (const name of Object.keys(fields) as (keyof typeof fields)[]) {
    const value = headers[fields[name]]
    if (value !== undefined && value !== '') info[name] = value
  }
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(metadataPrefix)) continue
    info.metadata[decodeMetadataName(name.slice(metadataPrefix.length))] = decodeMetadataValue(value)
  }
  const versionId = versionOf(headers)
  if (versionId !== undefined) info.versionId = versionId
  const storageClass = headers['x-oss-storage-class']
  if (storageClass !== undefined) info.storageClass = storageClass
  if (isArchived(storageClass, headers['x-oss-restore'])) info.archived = true
  const tagCount = headers['x-oss-tagging-count']
  if (tagCount !== undefined) info.tagCount = Number(tagCount)
  const kind = kindOf(headers['x-oss-object-type'])
  if (kind !== undefined) info.kind = kind
  const crc = crc64FromHeader(headers['x-oss-hash-crc64ecma'])
  if (crc !== undefined) info.checksums = { crc64ecma: crc64Base64(crc) }
  return info
}

/** What an answer says of a write. */
export function putResult(etag: string | undefined, headers: Readonly<Record<string, string>>): PutResult {
  const versionId = versionOf(headers)
  return { etag: unquote(etag), ...(versionId === undefined ? {} : { versionId }) }
}

/** A bucket without versions says nothing; one that no longer makes them says `null`. */
export function versionOf(headers: Readonly<Record<string, string>>): string | undefined {
  const versionId = headers['x-oss-version-id']
  return versionId === undefined || versionId === 'null' ? undefined : versionId
}

/** What an object is, when it is no ordinary one. */
function kindOf(type: string | undefined): ObjectInfo['kind'] {
  if (type === 'Symlink') return 'link'
  return type === 'Appendable' ? 'appendable' : undefined
}

function isArchived(storageClass: string | undefined, restore: string | undefined): boolean {
  if (storageClass === undefined || !/Archive$/.test(storageClass)) return false
  return !(restore ?? '').includes('ongoing-request="false"')
}

/**
 * A metadata name as OSS takes it: letters, digits and single hyphens between them. What is not goes as two hyphens and two
 * hexadecimal digits, so that every name comes back as it was.
 */
export function encodeMetadataName(name: string): string {
  return name.replace(
    /[^a-z0-9-]|^-|-$|-(?=-)|(?<=-)-/g,
    (char) => `--${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** The opposite of {@link encodeMetadataName}. */
export function decodeMetadataName(name: string): string {
  return name.replace(/--([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
