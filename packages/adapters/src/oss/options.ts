import { type Capabilities, type Clock, type KeyRules, probeFolder, type Random } from '@stowage/core'
import type { NetworkOptions } from '../shared/index.ts'
import type { OssEncryption } from './encryption.ts'

const kibibyte = 1024
const gibibyte = 1024 ** 3

/** What signs requests. */
export interface OssCredentials {
  accessKey: string
  secretKey: string
  /** Of temporary credentials (STS). */
  sessionToken?: string
  /** When they end, in milliseconds since the epoch. @defaultValue never */
  expiresAt?: number
}

/** A role whose temporary credentials sign the requests. */
export interface AssumeRole {
  /** Such as `acs:ram::1234567890123456:role/stowage`. */
  roleArn: string
  /** Names these credentials in the audit logs of the account: 2 to 64 letters, digits, `.`, `@`, `-` or `_`. */
  sessionName: string
  /** Narrows the role's rights further: a policy of RAM, as JSON. @defaultValue all rights of the role */
  policy?: string
  /** How long the credentials last, in seconds: from 900 to what the role allows. @defaultValue 3600 */
  durationSeconds?: number
  /** The address of STS; a region's own answers faster there. @defaultValue 'https://sts.aliyuncs.com' */
  endpoint?: string
}

/** Options of {@link oss}. */
export interface OssOptions extends NetworkOptions {
  /** The source's id. */
  id: string
  bucket: string
  /** Such as `cn-hangzhou`; signatures of version 4 name it. @defaultValue the region that the endpoint's name tells */
  region?: string
  /**
   * The address of the region, such as `https://oss-cn-hangzhou.aliyuncs.com`; internal and accelerate endpoints are endpoints like any
   * other. With `cname`, the address of the bucket itself.
   * @defaultValue the region's public address, over TLS
   */
  endpoint?: string
  /** The endpoint is a custom domain that is bound to the bucket: it stands for both. @defaultValue false */
  cname?: boolean
  /** With `secretKey`. */
  accessKey?: string
  secretKey?: string
  /** Of temporary credentials (STS) that do not change. */
  sessionToken?: string
  /** Gives credentials, and new ones before the old end: for STS and roles. In place of `accessKey` and `secretKey`. */
  credentials?: () => OssCredentials | Promise<OssCredentials>
  /** Sign with temporary credentials of this role, for which `accessKey` and `secretKey` ask STS; new ones come before the old end. */
  assumeRole?: AssumeRole
  /** How OSS encrypts what is written. @defaultValue what the bucket is set to */
  encryption?: OssEncryption
  /** Pay for the requests and the traffic in place of the bucket's owner, where the bucket asks for that. @defaultValue false */
  requestPayer?: boolean
  /** `v1` for endpoints that know no other. @defaultValue 'v4' */
  signatureVersion?: 'v1' | 'v4'
  /**
   * The bucket keeps versions, or once did. Then older versions can be named, and nothing can be written create-only: OSS ignores
   * `x-oss-forbid-overwrite` there. A bucket that turns out to keep versions although this is not set fails create-only writes.
   * @defaultValue false
   */
  versioned?: boolean
  tls?: {
    /** Path of a PEM file with the certificates to trust beside the system's. */
    ca?: string
  }
  /** Allow `http:` to anything but this machine: keys stay secret, contents do not. @defaultValue false */
  allowPlainHttp?: boolean
  /** Connections at the same time. @defaultValue 64 */
  maxSockets?: number
  /** Milliseconds for a connection to come about. @defaultValue 10000 */
  connectTimeoutMs?: number
  /** Milliseconds without a byte in either direction after which a call fails with `timeout`. @defaultValue 60000 */
  inactivityTimeoutMs?: number
  /** Attempts of one request, the first included; only those that can be repeated without harm are. @defaultValue 3 */
  attempts?: number
  /** Write nothing: writes are refused with `not-supported`, and probes only read. @defaultValue false */
  readOnly?: boolean
  /** @defaultValue the machine's clock */
  clock?: Clock
  /** Spreads retries. @defaultValue the machine's */
  random?: Random
}

/**
 * https://www.alibabacloud.com/help/en/oss/support/0016-00000005. Dot segments and line breaks are refused here: the reference does not
 * rule them out, but every URL library folds the ones, and XML and logs change the others.
 */
const keys: KeyRules = {
  maxBytes: 1023,
  leadingSlash: false,
  leadingBackslash: false,
  trailingSlash: true,
  emptySegments: true,
  dotSegments: false,
  controlCharacters: 'no-line-breaks',
  objectAndFolder: true,
  reserved: probeFolder,
}

/** What OSS can do: https://www.alibabacloud.com/help/en/oss/user-guide/limits */
export function ossCapabilities({ versioned = false, encryption }: OssOptions): Capabilities {
  return {
    // PutObject and DeleteObject know no If-Match; create-only is a header that buckets with versions ignore.
    conditional: {
      get: true,
      putCreateOnly: !versioned,
      putIfMatch: false,
      completeCreateOnly: !versioned,
      deleteIfMatch: false,
    },
    versions: versioned,
    // OSS tells the CRC64 of what it stored; the others are held against the bytes on their way, before the last of them is sent.
    checksums: ['crc64ecma', 'crc32', 'sha256'],
    multipart: {
      minPartSize: 100 * kibibyte,
      maxPartSize: 5 * gibibyte,
      maxParts: 10_000,
      partCopy: true,
      listUploads: 'prefix',
    },
    maxPutSize: 5 * gibibyte,
    serverSideCopy: { scope: 'source', maxSize: 5 * gibibyte },
    unknownSize: true,
    presign: ['get', 'put', 'part'],
    presignedWrites: 'exact',
    presignMaxSize: false,
    listing: { delimiter: true, pageSize: 1000 },
    notifications: 'push',
    archive: true,
    tags: true,
    storageClasses: true,
    metadata: 'native',
    etagIsMd5: encryption?.type !== 'sse-kms',
    mount: false,
    keys,
  }
}
