import { StowageError } from '@stowage/core'
import { unquote } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { crc64FromHeader } from './crc64.ts'
import { versionOf } from './headers.ts'

type Headers = Readonly<Record<string, string>>

/** What a write must have made. */
export interface Expected {
  /** The CRC64 of the bytes that were meant, where it is known. */
  crc: bigint | undefined
  createOnly: boolean
}

/**
 * Holds the store's answer to a write against what was meant, and takes the object back when it is wrong.
 * @throws StowageError `integrity` when the store has other bytes, `configuration` when it cannot have created only
 */
export async function assertWritten(
  context: OssContext,
  key: string,
  etag: string,
  headers: Headers,
  expected: Expected,
): Promise<void> {
  const stored = crc64FromHeader(headers['x-oss-hash-crc64ecma'])
  if (expected.crc !== undefined && stored !== undefined && stored !== expected.crc) {
    const removed = await takeBack(context, key, etag, headers)
    throw wrongBytes(context, key, removed)
  }
  if (!expected.createOnly || headers['x-oss-version-id'] === undefined) return
  // The store did not look whether the key was free. The version below, if there is one, becomes the current one again.
  await takeBack(context, key, etag, headers)
  throw versionedBucket(context)
}

/** The error for bytes that arrived changed. */
export function wrongBytes({ adapter }: OssContext, key: string, removed: boolean): StowageError {
  const end = removed ? 'It was deleted again.' : 'It could not be deleted again.'
  const message = `${adapter.id}: the store has other bytes of ${JSON.stringify(key)} than were sent (CRC64). ${end}`
  return new StowageError('integrity', message, { key, sourceId: adapter.id })
}

/** The error for a bucket in which nothing can be created only. */
export function versionedBucket({ adapter, transport }: Pick<OssContext, 'adapter' | 'transport'>): StowageError {
  return new StowageError(
    'configuration',
    `${adapter.id}: the bucket ${transport.bucket} keeps versions: OSS ignores x-oss-forbid-overwrite there.`,
    {
      sourceId: adapter.id,
      field: 'versioned',
      hint: 'Set versioned: true, or use a bucket that never kept versions.',
    },
  )
}

/** Deletes what was just written, unless somebody has written over it since. Says whether it is gone. */
export async function takeBack(
  { transport }: OssContext,
  key: string,
  etag: string,
  headers: Headers,
): Promise<boolean> {
  const versionId = versionOf(headers)
  try {
    if (versionId === undefined) {
      const { headers: now } = await transport.send({ method: 'HEAD', key })
      if (unquote(now['etag']) !== unquote(etag)) return false
    }
    await transport.send({ method: 'DELETE', key, query: versionId === undefined ? {} : { versionId } })
    return true
  } catch {
    // The error that led here is the one to tell.
    return false
  }
}
