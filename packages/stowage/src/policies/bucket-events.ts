import { StowageError } from '@stowage/core'
import * as z from 'zod'

/** One change in a bucket, whatever told of it. */
export interface BucketEvent {
  provider: 'aws' | 'minio' | 'oss'
  type: 'created' | 'removed'
  bucket: string
  key: string
  versionId?: string
  etag?: string
  /** bytes */
  size?: number
  /** Orders the events of one key only. */
  sequencer?: string
  /** When it happened, by the store's clock, in milliseconds since the epoch. */
  time?: number
  /** The provider's own name of the event. */
  rawName: string
}

const s3Record = z.object({
  eventVersion: z.string(),
  eventSource: z.string().optional(),
  eventName: z.string(),
  eventTime: z.string().optional(),
  s3: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({
      key: z.string(),
      size: z.number().optional(),
      eTag: z.string().optional(),
      versionId: z.string().optional(),
      sequencer: z.string().optional(),
    }),
  }),
})

const ossRecord = z.object({
  eventName: z.string(),
  eventTime: z.string().optional(),
  oss: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({ key: z.string(), size: z.number().optional(), eTag: z.string().optional() }),
  }),
})

const schema = z.union([
  z.object({ Records: z.array(s3Record) }).transform(({ Records }) => Records.flatMap((one) => ofS3(one) ?? [])),
  z.object({ events: z.array(ossRecord) }).transform(({ events }) => events.flatMap(ofOss)),
  z.object({ Event: z.literal('s3:TestEvent') }).transform((): BucketEvent[] => []),
])

/** The major version of the S3 event structure that this reads (2.x; minor versions only add fields). */
const EVENT_MAJOR = '2'

/**
 * Reads what S3, MinIO or OSS tell of changed objects, as their notifications have it in JSON. S3's own test event has no records.
 *
 * - S3 and MinIO: `{ Records: [...] }`, keys form-encoded: a space is `+`.
 *   Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 * - OSS: `{ events: [...] }`. Whether its keys are encoded is not documented: one that could be is told both as it is and decoded.
 *   Format: https://www.alibabacloud.com/help/en/functioncompute/fc-2-0/user-guide/oss-trigger-overview
 *
 * @throws StowageError `invalid-request` when it is none of these, `newer-format` when the major version of S3's is not 2
 */
export function parseBucketEvents(event: unknown): BucketEvent[] {
  const parsed = schema.safeParse(event)
  if (parsed.success) return parsed.data
  throw new StowageError('invalid-request', 'This is not an event notification of S3, MinIO or OSS.', {
    cause: parsed.error,
    hint: 'Hand in what the bucket sends, as it is: { "Records": [...] } or { "events": [...] }.',
  })
}

function ofS3({
  eventVersion,
  eventSource,
  eventName,
  eventTime,
  s3,
}: z.infer<typeof s3Record>): BucketEvent | undefined {
  if (eventVersion.split('.')[0] !== EVENT_MAJOR) {
    throw new StowageError(
      'newer-format',
      `The S3 event has version ${eventVersion}; this version knows ${EVENT_MAJOR}.x.`,
    )
  }
  // MinIO has the service's name before.
  const type = typeOf(eventName.replace(/^s3:/, ''))
  if (type === undefined) return undefined
  const { object } = s3
  return {
    provider: eventSource?.startsWith('minio') ? 'minio' : 'aws',
    type,
    bucket: s3.bucket.name,
    key: decodeKey(object.key),
    ...(object.versionId === undefined || object.versionId === '' ? {} : { versionId: object.versionId }),
    ...(object.eTag === undefined ? {} : { etag: object.eTag }),
    ...(object.size === undefined ? {} : { size: object.size }),
    ...(object.sequencer === undefined ? {} : { sequencer: object.sequencer }),
    ...timeOf(eventTime),
    rawName: eventName,
  }
}

/** Parts of an upload that is not complete yet are no objects. */
const ossUnfinished = /:(UploadPart|UploadPartCopy|InitiateMultipartUpload)$/

function ofOss({ eventName, eventTime, oss }: z.infer<typeof ossRecord>): BucketEvent[] {
  const type = typeOf(eventName)
  if (type === undefined || ossUnfinished.test(eventName)) return []
  const { object } = oss
  const event = {
    provider: 'oss' as const,
    type,
    bucket: oss.bucket.name,
    ...(object.eTag === undefined ? {} : { etag: object.eTag }),
    ...(object.size === undefined ? {} : { size: object.size }),
    ...timeOf(eventTime),
    rawName: eventName,
  }
  return readings(object.key).map((key) => ({ ...event, key }))
}

function readings(key: string): string[] {
  try {
    return [...new Set([key, decodeURIComponent(key)])]
  } catch {
    return [key]
  }
}

function typeOf(eventName: string): BucketEvent['type'] | undefined {
  if (eventName.startsWith('ObjectCreated:')) return 'created'
  return eventName.startsWith('ObjectRemoved:') ? 'removed' : undefined
}

function timeOf(text: string | undefined): { time?: number } {
  const time = Date.parse(text ?? '')
  return Number.isNaN(time) ? {} : { time }
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replace(/\+/g, '%20'))
  } catch (cause) {
    throw new StowageError('invalid-request', `The key "${key}" of the event is not form-encoded.`, { key, cause })
  }
}
