import { StowageError, type SyncStore } from '@stowage/core'

/** The version of records that are written as JSON. One of a higher version is left alone. */
const FORMAT = 1

const PAGE = 1000

/** A record as it is stored: its version, and what it says. */
export function encodeRecord(value: object): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...value }))
}

/** Reads what {@link encodeRecord} wrote. @throws StowageError `newer-format` for a record of a newer version, `integrity` for one that cannot be read */
export function decodeRecord<T>(key: string, bytes: Uint8Array): T {
  let value: { format?: unknown }
  try {
    value = JSON.parse(Buffer.from(bytes).toString()) as { format?: unknown }
  } catch (cause) {
    throw new StowageError('integrity', `The record "${key}" cannot be read.`, { key, cause, retryable: false })
  }
  if (typeof value.format === 'number' && value.format > FORMAT) {
    throw new StowageError(
      'newer-format',
      `The record "${key}" has format ${value.format}; this version knows ${FORMAT}.`,
      { key, hint: 'Use the newer version of Stowage that wrote it; nothing was touched.' },
    )
  }
  return value as T
}

/** The keys that begin with a prefix, in order, a page at a time. */
export async function* keysBelow(store: Pick<SyncStore, 'list'>, prefix: string): AsyncGenerator<string> {
  for (let after: string | undefined; ; ) {
    const page = await store.list(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield* page
    after = page.at(-1)
    if (page.length < PAGE) return
  }
}
