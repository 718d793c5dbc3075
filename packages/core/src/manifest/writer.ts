import { createHash } from 'node:crypto'
import { StowageError } from '../errors/index.ts'
import { compareKeys } from '../keys/index.ts'
import { compress } from './compression.ts'
import {
  MANIFEST_FORMAT,
  type ManifestEntry,
  type ManifestRange,
  type ManifestRoot,
  rangeKey,
  rootKey,
  sha256,
} from './format.ts'

/** Stores one manifest object under a key relative to the replica path. Must be idempotent: the same key always gets the same content. */
export type PutManifestObject = (key: string, bytes: Uint8Array, contentType: string) => Promise<void>

export interface WriteManifestOptions {
  /**
   * A range ends after a path whose hash is divisible by this, so that equal runs of files give equal ranges in every version.
   * @defaultValue 8192
   */
  averageEntries?: number
  /**
   * A range never has more entries than this.
   * @defaultValue 32768
   */
  maxEntries?: number
}

/** What was written. */
export interface WrittenManifest {
  /** The root digest: the version's identity. Independent of the place and of the compression. */
  digest: string
  root: ManifestRoot
}

/**
 * Writes a manifest from entries in UTF-8 byte order of their paths, in memory bounded by one range. Ranges come first, the top last, so a
 * crash in between leaves nothing that anybody refers to.
 *
 * @throws StowageError `invalid-request` when paths do not rise
 */
export async function writeManifest(
  entries: AsyncIterable<ManifestEntry> | Iterable<ManifestEntry>,
  put: PutManifestObject,
  options: WriteManifestOptions = {},
): Promise<WrittenManifest> {
  const average = options.averageEntries ?? 8192
  const max = options.maxEntries ?? 32768
  const root: ManifestRoot = { format: MANIFEST_FORMAT, ranges: [], fileCount: 0, size: 0 }
  let lines: string[] = []
  let range: ManifestRange | undefined
  let last: string | undefined

  async function closeRange(): Promise<void> {
    if (range === undefined) return
    const bytes = Buffer.from(lines.join(''))
    range.digest = sha256(bytes)
    await put(rangeKey(range.digest), await compress(bytes), 'application/gzip')
    root.ranges.push(range)
    range = undefined
    lines = []
  }

  for await (const entry of entries) {
    if (last !== undefined && compareKeys(last, entry.path) >= 0) {
      throw new StowageError('invalid-request', `Manifest paths must rise; "${entry.path}" follows "${last}".`)
    }
    last = entry.path
    lines.push(encodeEntry(entry))
    range ??= { digest: '', first: entry.path, last: entry.path, count: 0, size: 0 }
    range.last = entry.path
    range.count++
    range.size += entry.size
    root.fileCount++
    root.size += entry.size
    if (range.count >= max || endsRange(entry.path, average)) await closeRange()
  }
  await closeRange()

  const top = Buffer.from(JSON.stringify(root))
  const digest = sha256(top)
  await put(rootKey(digest), await compress(top), 'application/gzip')
  return { digest, root }
}

/** One line: a JSON array, because names of fields would be most of it. */
function encodeEntry(entry: ManifestEntry): string {
  const fields: (string | number)[] = [entry.path, entry.key, entry.size, entry.digest]
  if (entry.contentType !== undefined) fields.push(entry.contentType)
  return `${JSON.stringify(fields)}\n`
}

function endsRange(path: string, average: number): boolean {
  return createHash('sha1').update(path).digest().readUInt32BE(0) % average === 0
}
