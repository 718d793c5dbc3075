import type { StowageError } from '@stowage/core'
import { wrongOption } from '../shared/index.ts'

/**
 * How the store encrypts what is written. Keys stay with the store: SSE-C, where every call carries the key itself, is left out on purpose.
 * With it no listing, presigned URL, copy or other program could read an object without our secret, and a lost key loses the data.
 */
export type S3Encryption =
  | {
      /** With keys of the store's own. */
      type: 'sse-s3'
    }
  | {
      /** With a key of the key management service. */
      type: 'sse-kms'
      /** Id, ARN or alias of the key. @defaultValue the service's key for S3 */
      keyId?: string
      /** Let S3 keep a key of the bucket for a while, which saves calls of the service. @defaultValue the bucket's setting */
      bucketKey?: boolean
      /** Bound to each object: names and values that the service logs and checks. No secrets. @defaultValue none but S3's own */
      context?: Readonly<Record<string, string>>
    }

/** The fields of a request that ask for encryption, as the SDK names them. */
export interface EncryptionFields {
  ServerSideEncryption?: 'AES256' | 'aws:kms'
  SSEKMSKeyId?: string
  SSEKMSEncryptionContext?: string
  BucketKeyEnabled?: boolean
}

/** The same as headers. */
export const encryptionHeaderNames: Readonly<Record<keyof EncryptionFields, string>> = {
  ServerSideEncryption: 'x-amz-server-side-encryption',
  SSEKMSKeyId: 'x-amz-server-side-encryption-aws-kms-key-id',
  SSEKMSEncryptionContext: 'x-amz-server-side-encryption-context',
  BucketKeyEnabled: 'x-amz-server-side-encryption-bucket-key-enabled',
}

/** The headers that ask for encryption. */
export function encryptionHeaders(fields: EncryptionFields): Record<string, string> {
  const names = Object.keys(fields) as (keyof EncryptionFields)[]
  return Object.fromEntries(names.map((name) => [encryptionHeaderNames[name], String(fields[name])]))
}

const base64Json = (value: unknown): string => Buffer.from(JSON.stringify(value), 'utf8').toString('base64')

/**
 * What puts, copies and uploads in parts ask for.
 * @throws StowageError `configuration` for an unknown type, or fields that belong to the other
 */
export function encryptionFields(id: string, encryption: S3Encryption | undefined): EncryptionFields {
  if (encryption === undefined) return {}
  if (encryption.type === 'sse-s3') {
    const extra = Object.keys(encryption).find((name) => name !== 'type')
    if (extra !== undefined) throw wrong(id, extra, 'is only for the type "sse-kms"')
    return { ServerSideEncryption: 'AES256' }
  }
  if (encryption.type !== 'sse-kms') throw wrong(id, 'type', 'must be "sse-s3" or "sse-kms"')
  const { keyId, bucketKey, context } = encryption
  if (keyId === '') throw wrong(id, 'keyId', 'is empty')
  return {
    ServerSideEncryption: 'aws:kms',
    ...(keyId === undefined ? {} : { SSEKMSKeyId: keyId }),
    ...(context === undefined ? {} : { SSEKMSEncryptionContext: base64Json(context) }),
    ...(bucketKey === undefined ? {} : { BucketKeyEnabled: bucketKey }),
  }
}

function wrong(id: string, field: string, why: string): StowageError {
  return wrongOption(id, `encryption.${field}`, why)
}
