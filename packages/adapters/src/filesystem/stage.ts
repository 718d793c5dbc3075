import type { FileHandle } from 'node:fs/promises'
import { type ByteSource, type Checksum, StowageError } from '@stowage/core'
import { type ChecksumCheck, checksumCheck, chunksOf } from '../shared/index.ts'
import type { Context } from './context.ts'
import { isMissing } from './errors.ts'
import type { FileStatus } from './etag.ts'

/** Bytes that are gathered before they are written in one call. */
const gatherBytes = 512 * 1024

/** A finished temporary file that waits to become an object. */
export interface Staged {
  readonly path: string
  readonly status: FileStatus
}

/** What a body must be. */
export interface Expected {
  /** Bytes, where they are known beforehand. */
  size: number | undefined
  checksum?: Checksum | undefined
  signal?: AbortSignal | undefined
}

/** Opens a new temporary file; makes the work folder when it is missing. */
export async function openTemporary(
  context: Pick<Context, 'fs' | 'place' | 'newId'>,
  name: string = context.newId(),
): Promise<{ handle: FileHandle; path: string }> {
  const path = context.place.work('tmp', name)
  try {
    return { handle: await context.fs.open(path, 'wx'), path }
  } catch (error) {
    if (!isMissing(error)) throw error
    await context.place.ensureRoot()
    await context.fs.mkdir(context.place.work('tmp'), { recursive: true })
    return { handle: await context.fs.open(path, 'wx'), path }
  }
}

/**
 * Writes a body to a temporary file and checks its length and checksum. Nothing is left when it fails.
 * @throws StowageError `integrity`, `aborted`; errors of the operating system as they are
 */
export async function stage(context: Context, key: string, body: ByteSource, expected: Expected): Promise<Staged> {
  const { handle, path } = await openTemporary(context)
  try {
    try {
      await writeBody(context, key, handle, body, expected, 0)
      if (context.flush) await handle.datasync()
      return { path, status: await handle.stat({ bigint: true }) }
    } finally {
      await handle.close()
    }
  } catch (error) {
    await discard(context, path)
    throw error
  }
}

/** Removes a temporary file, if it is still there. */
export async function discard(context: Context, path: string): Promise<void> {
  try {
    await context.fs.unlink(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/** Writes a body into an open file from a position on, and checks its length and checksum. */
export async function writeBody(
  context: Context,
  key: string,
  handle: FileHandle,
  body: ByteSource,
  expected: Expected,
  position: number,
): Promise<void> {
  const { size, checksum, signal } = expected
  const check: ChecksumCheck | undefined =
    checksum === undefined ? undefined : checksumCheck(context.adapter, key, checksum)
  let gathered: Uint8Array[] = []
  let gatheredBytes = 0
  let received = 0
  const flush = async (): Promise<void> => {
    const buffers = gathered
    gathered = []
    await writeAll(handle, buffers, position + received - gatheredBytes)
    gatheredBytes = 0
  }
  for await (const chunk of chunksOf(body, signal)) {
    received += chunk.length
    if (size !== undefined && received > size) throw wrongLength(context, key, size, `more than ${size}`)
    check?.update(chunk)
    gathered.push(chunk)
    gatheredBytes += chunk.length
    if (gatheredBytes >= gatherBytes) await flush()
  }
  if (size !== undefined && received !== size) throw wrongLength(context, key, size, `${received}`)
  if (gatheredBytes > 0) await flush()
  check?.finish()
}

/** Writes all of these buffers: one call may write less than it was given. */
async function writeAll(handle: FileHandle, buffers: Uint8Array[], position: number): Promise<void> {
  let rest = buffers
  let at = position
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, at)
    at += bytesWritten
    rest = after(rest, bytesWritten)
  }
}

function after(buffers: Uint8Array[], written: number): Uint8Array[] {
  let left = written
  for (const [i, buffer] of buffers.entries()) {
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(i + 1)]
    left -= buffer.length
  }
  return []
}

function wrongLength(context: Context, key: string, size: number, actual: string): StowageError {
  const { id } = context.adapter
  return new StowageError(
    'integrity',
    `${id}: ${JSON.stringify(key)} was declared as ${size} bytes and had ${actual}.`,
    {
      key,
      sourceId: id,
    },
  )
}
