import { type ByteSource, type Checksum, type ChecksumAlgorithm, StowageError } from '@stowage/core'
import { bufferedBytes, type Called } from '../shared/index.ts'

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
  md5: 'ContentMD5',
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

/** How an upload is told to keep a checksum of the whole object. */
const wholeNames = { crc32: 'CRC32', crc32c: 'CRC32C', crc64nvme: 'CRC64NVME' } as const

/** What `multipart.create` asks for, so that the store keeps a checksum of the whole object. */
export function wholeFields(algorithm: ChecksumAlgorithm | undefined): {
  ChecksumAlgorithm?: 'CRC32' | 'CRC32C' | 'CRC64NVME'
  ChecksumType?: 'FULL_OBJECT'
} {
  if (algorithm !== 'crc32' && algorithm !== 'crc32c' && algorithm !== 'crc64nvme') return {}
  return { ChecksumAlgorithm: wholeNames[algorithm], ChecksumType: 'FULL_OBJECT' }
}

/** Refuses a part that would have no checksum to join, or one by another algorithm. @throws StowageError `invalid-request` */
export function assertJoinable(
  adapter: Called,
  body: ByteSource,
  size: number,
  algorithm: ChecksumAlgorithm,
  checksum: Checksum | undefined,
): void {
  const inMemory = body instanceof Uint8Array || size <= bufferedBytes
  if (checksum === undefined ? inMemory : checksum.algorithm === algorithm) return
  throw new StowageError('invalid-request', `${adapter.id}: the part needs a checksum by ${algorithm}.`, {
    sourceId: adapter.id,
    field: 'checksum',
    hint: 'Its upload was created with this objectChecksum, and the checksum of a long stream must be known before it is sent.',
  })
}
