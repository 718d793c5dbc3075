import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BLOCK_SIZE,
  type Clock,
  errnoOf,
  type FileSystem,
  type ManifestEntry,
  StowageError,
  sha256,
  throwIfAborted,
} from '@stowage/core'
import type { FileCache } from './cache.ts'
import { unless } from './file-errors.ts'

/** A partial file that was written to within this time belongs to a process that is at work. */
export const BUSY_MS = 10_000

/** Where bytes come from. All that it gives was checked against its digest. */
export interface Origin {
  /** The digests of the blocks of a file of more than one. */
  blocks(entry: ManifestEntry): Promise<Uint8Array>
  read(entry: ManifestEntry, from: number): AsyncIterable<Uint8Array>
}

export interface FetchOptions {
  fs: FileSystem
  clock: Clock
  cache: FileCache
  origin: Origin
  flush: boolean
  signal: AbortSignal
}

/**
 * Brings a file into the cache. Its bytes go into a partial file that the next run, of any process, goes on with from the last block that is
 * right. Two that write to one partial file do no harm, as both write the same bytes; so as not to do the work twice, a file that another is
 * writing is `busy` unless `insist` is set. `lost`: another was faster, so look again.
 */
export async function fetchInto(
  options: FetchOptions,
  entry: ManifestEntry,
  insist: boolean,
): Promise<'fetched' | 'busy' | 'lost'> {
  const opened = await openPartial(options, options.cache.partialOf(entry), insist)
  if (opened === 'busy') return 'busy'
  const { handle, isNew } = opened
  let kept = false
  try {
    const from = isNew ? 0 : await wholeBlocks(options, handle, entry)
    await write(options, handle, entry, from)
    // What lies behind was written by nobody who knew the file.
    if (!isNew && (await handle.stat()).size > entry.size) await handle.truncate(entry.size)
    if (options.flush) await handle.datasync()
    throwIfAborted(options.signal)
    kept = await options.cache.keep(entry, handle)
    return kept ? 'fetched' : 'lost'
  } finally {
    await handle.close().catch(async (error: unknown) => {
      // Disks of other machines, and quotas, may tell only now that bytes could not be stored.
      if (kept) await options.cache.drop(entry)
      throw error
    })
  }
}

async function openPartial(
  { fs, clock }: FetchOptions,
  path: string,
  insist: boolean,
): Promise<{ handle: FileHandle; isNew: boolean } | 'busy'> {
  for (;;) {
    try {
      return { handle: await fs.open(path, 'wx+', 0o600), isNew: true }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT') {
        await fs.mkdir(join(path, '..'), { recursive: true })
        continue
      }
      if (errno !== 'EEXIST') throw error
    }
    const there = await unless(fs.stat(path), 'ENOENT')
    if (there === undefined) continue
    if (!insist && Math.abs(clock.now() - there.mtimeMs) < BUSY_MS) return 'busy'
    try {
      return { handle: await fs.open(path, 'r+'), isNew: false }
    } catch (error) {
      // It was sealed by a process that died before it kept it.
      if (errnoOf(error) === 'EACCES') await unless(fs.chmod(path, 0o600), 'ENOENT')
      else if (errnoOf(error) !== 'ENOENT') throw error
    }
  }
}

/** Bytes at the beginning that are right, in whole blocks, or all. */
async function wholeBlocks(
  { origin, signal }: FetchOptions,
  handle: FileHandle,
  entry: ManifestEntry,
): Promise<number> {
  const { size } = await handle.stat()
  if (size < Math.min(entry.size, BLOCK_SIZE) || size === 0) return 0
  const digests = entry.size > BLOCK_SIZE ? await origin.blocks(entry) : Buffer.from(entry.digest, 'hex')
  const buffer = Buffer.allocUnsafe(Math.min(entry.size, BLOCK_SIZE))
  let from = 0
  while (from < entry.size) {
    throwIfAborted(signal)
    const block = buffer.subarray(0, Math.min(BLOCK_SIZE, entry.size - from))
    if (!(await readFully(handle, block, from))) break
    const at = (from / BLOCK_SIZE) * 32
    if (sha256(block) !== Buffer.from(digests.subarray(at, at + 32)).toString('hex')) break
    from += block.length
  }
  return from
}

async function readFully(handle: FileHandle, buffer: Buffer, from: number): Promise<boolean> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, from + filled)
    if (bytesRead === 0) return false
    filled += bytesRead
  }
  return true
}

async function write(
  { origin, signal }: FetchOptions,
  handle: FileHandle,
  entry: ManifestEntry,
  from: number,
): Promise<void> {
  let at = from
  if (at < entry.size) {
    for await (const chunk of origin.read(entry, at)) {
      throwIfAborted(signal)
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, at + done)
        done += bytesWritten
      }
      at += chunk.length
    }
  }
  if (at !== entry.size) {
    throw new StowageError('integrity', `"${entry.path}" ended after ${at} bytes, not ${entry.size}.`, {
      key: entry.path,
    })
  }
}
