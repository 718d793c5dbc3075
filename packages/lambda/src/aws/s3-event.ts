import { StowageError } from 'stowage'
import { z } from 'zod'

/** One change in a bucket, whatever told of it. */
export interface BucketEvent {
  provider: 'aws'
  type: 'created' | 'removed'
  bucket: string
  key: string
  versionId?: string
  etag?: string
  /** bytes */
  size?: number
  /** Orders the events of one key only. */
  sequencer?: string
  /** The provider's own name of the event. */
  rawName: string
}

const record = z.object({
  eventVersion: z.string(),
  eventName: z.string(),
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

const schema = z.union([
  z.object({ Records: z.array(record) }),
  z.object({ Event: z.literal('s3:TestEvent') }).transform(() => ({ Records: [] })),
])

/** The major version of the S3 event structure that this reads (2.x; minor versions only add fields). */
const EVENT_MAJOR = '2'

/**
 * Reads an S3 event notification as Lambda delivers it. S3's own test event has no records.
 * Keys are form-encoded there: a space is `+`.
 * Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 *
 * @throws StowageError `invalid-request` when it is no S3 event, `newer-format` when its major version is not 2
 */
export function parseS3Event(event: unknown): BucketEvent[] {
  const parsed = schema.safeParse(event)
  if (!parsed.success) {
    throw new StowageError('invalid-request', 'This is not an S3 event notification.', {
      cause: parsed.error,
      hint: 'Connect the function to a bucket with an S3 event notification.',
    })
  }
  return parsed.data.Records.flatMap((one) => normalise(one) ?? [])
}

function normalise({ eventVersion, eventName, s3 }: z.infer<typeof record>): BucketEvent | undefined {
  if (eventVersion.split('.')[0] !== EVENT_MAJOR) {
    throw new StowageError(
      'newer-format',
      `The S3 event has version ${eventVersion}; this version knows ${EVENT_MAJOR}.x.`,
    )
  }
  const type = eventName.startsWith('ObjectCreated:')
    ? 'created'
    : eventName.startsWith('ObjectRemoved:')
      ? 'removed'
      : undefined
  if (type === undefined) return undefined
  const { object } = s3
  return {
    provider: 'aws',
    type,
    bucket: s3.bucket.name,
    key: decodeKey(object.key),
    ...(object.versionId === undefined ? {} : { versionId: object.versionId }),
    ...(object.eTag === undefined ? {} : { etag: object.eTag }),
    ...(object.size === undefined ? {} : { size: object.size }),
    ...(object.sequencer === undefined ? {} : { sequencer: object.sequencer }),
    rawName: eventName,
  }
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replace(/\+/g, '%20'))
  } catch (cause) {
    throw new StowageError('invalid-request', `The key "${key}" of the S3 event is not form-encoded.`, { key, cause })
  }
}
