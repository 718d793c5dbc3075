import { type ObjectEvent, StowageError } from '@stowage/core'

/** Far more than a line with one record needs. */
const longestLine = 1024 * 1024

interface EventRecord {
  eventName?: unknown
  eventTime?: unknown
  s3?: { object?: { key?: unknown; size?: unknown; eTag?: unknown; versionId?: unknown; sequencer?: unknown } }
}

/**
 * The events in a stream of lines, each `{"Records": […]}`, an empty object or blanks as signs of life.
 * @throws StowageError `unavailable` for a line that is none of these
 */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ObjectEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop()?.trimStart() ?? ''
    for (const line of lines) if (line.trim() !== '') yield* eventsOf(line)
    if (rest.length > longestLine) throw malformed()
  }
}

function eventsOf(line: string): ObjectEvent[] {
  let records: unknown
  try {
    records = (JSON.parse(line) as { Records?: unknown } | null)?.Records ?? []
  } catch (cause) {
    throw malformed(cause)
  }
  if (!Array.isArray(records)) throw malformed()
  return (records as EventRecord[]).flatMap((record) => eventOf(record) ?? [])
}

/** `undefined` for events that are none of an object's. */
function eventOf({ eventName, eventTime, s3 }: EventRecord): ObjectEvent | undefined {
  const object = s3?.object
  const kind = /^(?:s3:)?Object(Created|Removed):/.exec(String(eventName))?.[1]
  if (kind === undefined || typeof object?.key !== 'string') return undefined
  const time = Date.parse(String(eventTime))
  return {
    type: kind === 'Created' ? 'created' : 'removed',
    // As it is: only what MinIO sends to webhooks and queues is encoded.
    key: object.key,
    time: Number.isNaN(time) ? 0 : time,
    ...(kind === 'Created' && typeof object.size === 'number' ? { size: object.size } : {}),
    ...(typeof object.eTag === 'string' && object.eTag !== '' ? { etag: object.eTag } : {}),
    ...(typeof object.versionId === 'string' && object.versionId !== '' ? { versionId: object.versionId } : {}),
    ...(typeof object.sequencer === 'string' ? { sequencer: object.sequencer } : {}),
  }
}

function malformed(cause?: unknown): StowageError {
  return new StowageError('unavailable', 'The notification stream has a line that is no event.', { cause })
}
