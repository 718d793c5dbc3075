import { StowageError } from '@stowage/core'
import type { Called } from '../shared/index.ts'
import type { S3Encryption } from './encryption.ts'
import { loadCredentialProviders, type S3Client } from './sdk.ts'

/** How writes that are presigned are signed with credentials that may do nothing else. */
export interface S3Narrowing {
  /** The role to assume, where the store has roles. MinIO has none: there the signer's own rights are narrowed. */
  roleArn?: string
  /** Address of the security token service. @defaultValue the store's own, for MinIO; AWS's for `s3` */
  stsEndpoint?: string
}

/** Temporary credentials for one key. */
export interface NarrowedCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  expiration?: Date
}

type Master = S3Client['config']['credentials']

/** What narrowing needs of a source. */
export interface NarrowingContext {
  adapter: Called
  bucket: string
  settings: S3Narrowing
  region: string
  endpoint: string | undefined
  encryption: S3Encryption | undefined
  /** Connections of the source, for the token service. */
  requestHandler: object
}

/** Seconds that temporary credentials last, at least and at most: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
const leastSeconds = 900
const mostSeconds = 43_200
/** Keys whose credentials are kept, so that a thousand parts of one object are signed by one call. */
const mostKept = 1000
/** What MinIO takes for a role: it looks at nothing of it. */
const anyRole = 'arn:minio:iam:::role/stowage'

/**
 * Gets credentials that may write one object and nothing else, by STS's AssumeRole with a policy of its own. A signed header `x-amz-copy-source`
 * then copies nothing: reading is not allowed.
 */
export class Narrowing {
  readonly #context: NarrowingContext
  readonly #kept = new Map<string, { until: number; credentials: Promise<NarrowedCredentials> }>()

  constructor(context: NarrowingContext) {
    this.#context = context
  }

  /**
   * Credentials for a key that last these seconds, or as long as the service lets them.
   * @throws StowageError `access-denied` when the service refuses
   */
  async credentialsFor(key: string, seconds: number, now: number, master: Master): Promise<NarrowedCredentials> {
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.until >= now + seconds * 1000) return kept.credentials
    const lasting = Math.min(mostSeconds, Math.max(leastSeconds, seconds * 2))
    const entry = { until: now + lasting * 1000, credentials: this.#assume(key, lasting, master) }
    this.#kept.delete(key)
    this.#kept.set(key, entry)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= mostKept) break
      this.#kept.delete(oldest)
    }
    try {
      return await entry.credentials
    } catch (error) {
      if (this.#kept.get(key) === entry) this.#kept.delete(key)
      throw error
    }
  }

  async #assume(key: string, lasting: number, master: Master): Promise<NarrowedCredentials> {
    const { adapter, bucket, settings, region, endpoint, encryption, requestHandler } = this.#context
    const { fromTemporaryCredentials } = await loadCredentialProviders()
    const stsEndpoint = settings.stsEndpoint ?? endpoint
    const provide = fromTemporaryCredentials({
      masterCredentials: master,
      params: {
        RoleArn: settings.roleArn ?? anyRole,
        RoleSessionName: 'stowage-presigned',
        DurationSeconds: lasting,
        Policy: policyFor(bucket, key, settings.roleArn === undefined ? undefined : encryption),
      },
      clientConfig: { region, requestHandler, ...(stsEndpoint === undefined ? {} : { endpoint: stsEndpoint }) },
    })
    try {
      return await provide()
    } catch (error) {
      throw refused(adapter, key, error)
    }
  }
}

/**
 * Writing one object, in one piece or in parts. A character that policies read as a wildcard or a variable stands for any one character: MinIO
 * knows no way to write it as itself, and the signature names the key in any case. Where there are roles, S3 asks the key service in their name.
 */
function policyFor(bucket: string, key: string, encryption: S3Encryption | undefined): string {
  const pattern = key.replace(/[*?$]/g, '?')
  const statements = [{ Effect: 'Allow', Action: ['s3:PutObject'], Resource: [`arn:aws:s3:::${bucket}/${pattern}`] }]
  if (encryption?.type === 'sse-kms') {
    // To decrypt is what parts need: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
    const { keyId = '*' } = encryption
    const Resource = [keyId.startsWith('arn:') ? keyId : '*']
    statements.push({ Effect: 'Allow', Action: ['kms:GenerateDataKey', 'kms:Decrypt'], Resource })
  }
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

/** What the service said may quote the request; its name is enough. */
function refused(adapter: Called, key: string, error: unknown): StowageError {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } }
  const isRefusal = ($metadata?.httpStatusCode ?? 0) >= 400 && ($metadata?.httpStatusCode ?? 0) < 500
  return new StowageError(
    isRefusal ? 'access-denied' : 'unavailable',
    `${adapter.id}: the security token service gave no credentials for ${JSON.stringify(key)} (${name ?? 'unknown'}).`,
    {
      key,
      sourceId: adapter.id,
      cause: error,
      hint: "Let the signer call AssumeRole, or make a user of the source's own where the store refuses that to its root user.",
    },
  )
}
