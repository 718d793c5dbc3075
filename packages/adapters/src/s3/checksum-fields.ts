import type { Checksum, ChecksumAlgorithm } from '@stowage/core'

/** The fields of a request that announce a checksum, as the SDK names them. */
export interface ChecksumFields {
  ChecksumCRC32?: string
  ChecksumCRC32C?: string
  ChecksumCRC64NVME?: string
  ChecksumSHA256?: string
  ContentMD5?: string
}

/** The same as headers. */
export const checksumHeaders: Readonly<Record<keyof ChecksumFields, string>> = {
  ChecksumCRC32: 'x-amz-checksum-crc32',
  ChecksumCRC32C: 'x-amz-checksum-crc32c',
  ChecksumCRC64NVME: 'x-amz-checksum-crc64nvme',
  ChecksumSHA256: 'x-amz-checksum-sha256',
  ContentMD5: 'content-md5',
}

/** The algorithms that S3 knows. */
type Sent = Exclude<ChecksumAlgorithm, 'crc64ecma'>

const names: Readonly<Record<Sent, keyof ChecksumFields>> = {
  crc32: 'ChecksumCRC32',
  crc32c: 'ChecksumCRC32C',
  crc64nvme: 'ChecksumCRC64NVME',
  sha256: 'ChecksumSHA256',
}

const isSent = (algorithm: ChecksumAlgorithm): algorithm is Sent => Object.hasOwn(names, algorithm)

/** What announces a checksum; nothing where there is none, or of an algorithm that S3 does not know. */
export function checksumFields(checksum: Checksum | undefined): ChecksumFields {
  if (checksum === undefined || !isSent(checksum.algorithm)) return {}
  return { [names[checksum.algorithm]]: checksum.value }
}

/** The checksum of a row or an answer, where it tells one. */
export function toldChecksum(
  answer: { readonly [name in keyof ChecksumFields]?: string | undefined },
): Checksum | undefined {
  for (const algorithm of Object.keys(names) as Sent[]) {
    const value = answer[names[algorithm]]
    if (value !== undefined) return { algorithm, value }
  }
  return undefined
}

/** The checksums of an object that can be held against its bytes, those that cost least first. */
export const checkedOnRead: readonly Sent[] = ['crc32', 'sha256', 'crc32c', 'crc64nvme']

/** How `multipart.create` names an algorithm whose checksum covers the whole object. */
export const fullObject: Readonly<Record<'crc32' | 'crc32c' | 'crc64nvme', 'CRC32' | 'CRC32C' | 'CRC64NVME'>> = {
  crc32: 'CRC32',
  crc32c: 'CRC32C',
  crc64nvme: 'CRC64NVME',
}
