import { StowageError } from '../errors/index.ts'
import { parseFormatted } from '../format/index.ts'
import { compareKeys } from '../keys/index.ts'
import { decodeRange, faultOfRoot } from './check.ts'
import { decompress } from './compression.ts'
import {
  MANIFEST_FORMAT,
  type ManifestEntry,
  type ManifestRange,
  type ManifestRoot,
  rangeKey,
  rootKey,
  sha256,
} from './format.ts'

/** Fetches a manifest object by its key relative to the replica path. */
export type GetManifestObject = (key: string) => Promise<Uint8Array>

/** A range larger than this, uncompressed, is not one of ours: 32768 entries of the longest path and key are below it. */
const MAX_RANGE_BYTES = 128 * 1024 * 1024

/**
 * Reads one manifest. Every object is checked against the digest it is named by, so it does not matter which replica it came from.
 * The range used last is kept, because files are mostly asked for in order.
 *
 * @example
 * ```ts
 * const manifest = await Manifest.open(version.manifest, (key) => fetchFromReplica(key))
 * const entry = await manifest.find('train/0001.jpg')
 * ```
 */
export class Manifest {
  readonly digest: string
  readonly root: ManifestRoot
  readonly #get: GetManifestObject
  #recent: { digest: string; entries: Promise<ManifestEntry[]> } | undefined

  private constructor(digest: string, root: ManifestRoot, get: GetManifestObject) {
    this.digest = digest
    this.root = root
    this.#get = get
  }

  /** @throws StowageError `integrity` when the object is damaged, `newer-format` when a newer version wrote it */
  static async open(digest: string, get: GetManifestObject): Promise<Manifest> {
    const bytes = await fetchChecked(get, rootKey(digest))
    const root = parseFormatted<ManifestRoot>(bytes, MANIFEST_FORMAT, `Manifest ${digest}`)
    const fault = faultOfRoot(root)
    if (fault !== undefined) throw damaged(rootKey(digest), fault)
    return new Manifest(digest, root, get)
  }

  /** The entry of a path, or `undefined` when the version has no such file. */
  async find(path: string): Promise<ManifestEntry | undefined> {
    const range = findSorted(this.root.ranges, (r) =>
      compareKeys(path, r.first) < 0 ? -1 : compareKeys(path, r.last) > 0 ? 1 : 0,
    )
    if (range === undefined) return undefined
    return findSorted(await this.entriesOf(range), (entry) => compareKeys(path, entry.path))
  }

  /**
   * All entries, or those under a folder or prefix, in byte order of paths.
   * @param after only those whose paths come after this one
   */
  async *entries(prefix = '', after?: string): AsyncGenerator<ManifestEntry> {
    const isBefore = (path: string) => after !== undefined && compareKeys(path, after) <= 0
    for (const range of this.root.ranges) {
      if (compareKeys(range.last, prefix) < 0 || isBefore(range.last)) continue
      if (compareKeys(range.first, prefix) > 0 && !range.first.startsWith(prefix)) return
      for (const entry of await this.entriesOf(range)) {
        if (entry.path.startsWith(prefix) && !isBefore(entry.path)) yield entry
      }
    }
  }

  /** Keys of the objects the manifest itself consists of, relative to the replica path: ranges first, the top last. */
  objectKeys(): string[] {
    return [...new Set(this.root.ranges.map((range) => rangeKey(range.digest))), rootKey(this.digest)]
  }

  /** The entries of one of the ranges of {@link root}. */
  entriesOf(range: ManifestRange): Promise<ManifestEntry[]> {
    if (this.#recent?.digest === range.digest) return this.#recent.entries
    const entries = this.#load(range)
    const recent = { digest: range.digest, entries }
    this.#recent = recent
    entries.catch(() => {
      if (this.#recent === recent) this.#recent = undefined
    })
    return entries
  }

  async #load(range: ManifestRange): Promise<ManifestEntry[]> {
    const bytes = await fetchChecked(this.#get, rangeKey(range.digest))
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
    const entries = decodeRange(text, range)
    if (typeof entries === 'string') throw damaged(rangeKey(range.digest), entries)
    return entries
  }
}

/**
 * Checks a stored manifest object (a range or a top) against the digest that its key names, and gives its uncompressed bytes. For whoever
 * has several places to fetch it from, or copies it.
 * @throws StowageError `integrity` when it is damaged, or the key is not that of a manifest object
 */
export async function checkManifestObject(key: string, stored: Uint8Array): Promise<Uint8Array> {
  const digest = /\/([0-9a-f]{64})\.jsonl?\.gz$/.exec(key)?.[1]
  let bytes: Uint8Array
  try {
    bytes = await decompress(stored, MAX_RANGE_BYTES)
  } catch (cause) {
    throw damaged(key, 'cannot be decompressed', cause)
  }
  if (sha256(bytes) !== digest) throw damaged(key, 'does not have the digest it is named by')
  return bytes
}

async function fetchChecked(get: GetManifestObject, key: string): Promise<Uint8Array> {
  return checkManifestObject(key, await get(key))
}

function damaged(key: string, how: string, cause?: unknown): StowageError {
  return new StowageError('integrity', `Manifest object "${key}" ${how}.`, { key, cause })
}

/** Binary search; `where` says whether what is wanted lies before (-1), at (0) or after (1) an item. */
function findSorted<T>(items: readonly T[], where: (item: T) => number): T | undefined {
  let low = 0
  let high = items.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const item = items[middle] as T
    const side = where(item)
    if (side === 0) return item
    if (side < 0) high = middle - 1
    else low = middle + 1
  }
  return undefined
}
