import type { StowageError } from '@stowage/core'
import { wrongOption } from '../shared/index.ts'

/**
 * How OSS encrypts what is written: https://www.alibabacloud.com/help/en/oss/user-guide/server-side-encryption-8. Keys stay with the store
 * or with its key management service.
 */
export type OssEncryption =
  | {
      /** With keys of OSS's own (AES-256). */
      type: 'sse-oss'
    }
  | {
      /** With a key of the key management service. Entity tags of objects are then no MD5. */
      type: 'sse-kms'
      /** Id of the key. @defaultValue the service's key for OSS */
      keyId?: string
    }

/** The headers that ask for encryption. @throws StowageError `configuration` for an unknown type, or a field of the other */
export function encryptionHeaders(id: string, encryption: OssEncryption | undefined): Record<string, string> {
  if (encryption === undefined) return {}
  const { type } = encryption
  if (type !== 'sse-oss' && type !== 'sse-kms') throw wrong(id, 'type', 'must be "sse-oss" or "sse-kms"')
  const known = type === 'sse-oss' ? ['type'] : ['type', 'keyId']
  const extra = Object.keys(encryption).find((name) => !known.includes(name))
  if (extra !== undefined) throw wrong(id, extra, `is no field of the type "${type}"`)
  if (type === 'sse-oss') return { 'x-oss-server-side-encryption': 'AES256' }
  const { keyId } = encryption
  if (keyId !== undefined && !/^[!-~]{1,256}$/.test(keyId)) throw wrong(id, 'keyId', 'is no id of a key')
  return {
    'x-oss-server-side-encryption': 'KMS',
    ...(keyId === undefined ? {} : { 'x-oss-server-side-encryption-key-id': keyId }),
  }
}

function wrong(id: string, field: string, why: string): StowageError {
  return wrongOption(id, `encryption.${field}`, why)
}
