import type {
  Capabilities,
  Clock,
  EventGap,
  ObjectEvent,
  Random,
  SourceType,
  StowageError,
  WatchOptions,
} from '@stowage/core'
import { probeFolder, s3KeyRules } from '@stowage/core'
import type { BodySource, Called, NetworkOptions } from '../shared/index.ts'
import type { S3Encryption } from './encryption.ts'
import type { S3Narrowing } from './narrowing.ts'
import type { S3Quirk } from './quirks.ts'

const mebibyte = 1024 ** 2
const gibibyte = 1024 ** 3

/** What signs requests. */
export interface S3Credentials {
  accessKey: string
  secretKey: string
  /** Of temporary credentials (STS). */
  sessionToken?: string
  /** When they end, in milliseconds since the epoch. @defaultValue never */
  expiresAt?: number
}

/** A role that a source assumes, by STS. */
export interface S3AssumeRole {
  /** Such as `arn:aws:iam::123456789012:role/stowage`. MinIO has no roles and looks at nothing of it. */
  roleArn: string
  /** Names these credentials in the account's audit logs. */
  sessionName: string
  /** What somebody else's account asks for before it lets one in. */
  externalId?: string
  /** Narrows the role's rights: a policy of IAM, as JSON. */
  policy?: string
  /** @defaultValue 3600 */
  durationSeconds?: number
  /** Address of the token service. @defaultValue AWS's for the region, or the store's own where it is not AWS's */
  endpoint?: string
}

/** Options of {@link s3}, and of the adapters that are built on it. */
export interface S3Options extends NetworkOptions {
  /** The source's id. */
  id: string
  bucket: string
  /** @defaultValue 'us-east-1' */
  region?: string
  /** The store's address, such as `https://minio.lan:9000`. @defaultValue AWS's address for the region */
  endpoint?: string
  /** With `secretKey`. @defaultValue what the AWS credentials chain finds (environment, profiles, roles) */
  accessKey?: string
  secretKey?: string
  /** Of temporary credentials (STS). */
  sessionToken?: string
  /** Gives credentials, and new ones before the old end. In place of `accessKey` and `secretKey`. */
  credentials?: () => S3Credentials | Promise<S3Credentials>
  /** Works as this role, whose credentials are renewed before they end. Needs the optional peer `@aws-sdk/credential-providers`. */
  assumeRole?: S3AssumeRole
  /** The bucket as the first part of the path, not of the host name. @defaultValue true when an endpoint is given */
  pathStyle?: boolean
  tls?: {
    /** Path of a PEM file with the certificates to trust beside the system's. */
    ca?: string
  }
  /**
   * How the store encrypts what is written here. Then an etag is not the MD5 of the bytes.
   * @defaultValue as the bucket is set
   */
  encryption?: S3Encryption
  /**
   * Presigns writes with temporary credentials that may write that one object and nothing else (STS's AssumeRole). Where a store takes a
   * copy source that was not signed, as MinIO does, this is what keeps an upload URL from reading other objects. Needs the optional peer
   * `@aws-sdk/credential-providers`.
   * @defaultValue writes are signed with the source's own credentials
   */
  narrowing?: S3Narrowing
  /**
   * What the store does differently from AWS S3, beside what its type says: for stores that have no adapter of their own. docs/stores.md
   * tells what each quirk changes.
   * @defaultValue none
   */
  quirks?: readonly S3Quirk[]
  /** Allow `http:` to anything but this machine: keys stay secret, contents do not. @defaultValue false */
  allowPlainHttp?: boolean
  /**
   * How objects are read, written and listed: by a lean path that does only this at a fraction of the CPU time, or by the AWS SDK, which
   * does everything else in either case.
   * @defaultValue 'lean'
   */
  dataPath?: 'lean' | 'sdk'
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

/** What listening to a bucket needs of its adapter. */
export interface Listening {
  readonly adapter: Called
  readonly connection: {
    readonly clock: Clock
    readonly bucket: string
    begin(signal: AbortSignal | undefined): void
    /** Opens an answer of the bucket that does not end by itself. */
    listen(query: string, signal: AbortSignal): Promise<BodySource>
    mapError(error: unknown, key: string | undefined): StowageError
  }
}

/** What one kind of S3-compatible store does differently. The adapters built on this folder hold only one of these. */
export interface S3Profile {
  readonly type: SourceType
  /** What it can do, before its quirks. */
  readonly capabilities: Capabilities
  /** What it does differently from AWS S3. */
  readonly quirks: readonly S3Quirk[]
  /** Whether the bucket is in the path when the options do not say. */
  readonly pathStyle: (options: S3Options) => boolean
  /** Tells of changes, where the store can be listened to. */
  readonly watch?: (context: Listening, options: WatchOptions) => AsyncIterable<(ObjectEvent | EventGap)[]>
  /** The endpoint must be given: there is no vendor's address to fall back on. */
  readonly needsEndpoint: boolean
  /** The storage classes that it knows; others are refused before a byte is sent. @defaultValue any name */
  readonly storageClasses?: readonly string[]
}

/** What AWS S3 can do: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const s3Capabilities: Capabilities = {
  conditional: {
    get: true,
    putCreateOnly: true,
    putIfMatch: true,
    completeCreateOnly: true,
    completeIfMatch: true,
    deleteIfMatch: true,
  },
  versions: true,
  checksums: ['crc32', 'crc32c', 'crc64nvme', 'sha256', 'md5'],
  multipart: {
    minPartSize: 5 * mebibyte,
    maxPartSize: 5 * gibibyte,
    maxParts: 10_000,
    partCopy: true,
    listUploads: 'prefix',
    objectChecksums: ['crc32', 'crc32c', 'crc64nvme'],
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
  etagIsMd5: true,
  mount: false,
  keys: { ...s3KeyRules, reserved: probeFolder },
}

/** AWS S3 itself. */
export const s3Profile: S3Profile = {
  type: 's3',
  capabilities: s3Capabilities,
  quirks: [],
  pathStyle: (options) => options.endpoint !== undefined && !/\.amazonaws\.com(\.cn)?\/?$/.test(options.endpoint),
  needsEndpoint: false,
}
