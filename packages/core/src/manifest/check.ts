import { compareKeys } from '../keys/index.ts'
import { MANAGED_FOLDER, type ManifestEntry, type ManifestRange, type ManifestRoot } from './format.ts'

/**
 * Says what is wrong with a manifest's top, if anything is. That its bytes have the digest it is named by says nothing of who made it: it may
 * have been found in a bucket that others write to.
 */
export function faultOfRoot({ ranges, fileCount, size }: ManifestRoot): string | undefined {
  if (!Array.isArray(ranges)) return 'has no ranges'
  let last: string | undefined
  const sum = { count: 0, size: 0 }
  for (const range of ranges as (ManifestRange | null)[]) {
    if (range === null || typeof range !== 'object') return 'has a range that is none'
    if (!isDigest(range.digest) || !isCount(range.count) || !isCount(range.size)) return 'has a range that is none'
    if (typeof range.first !== 'string' || typeof range.last !== 'string') return 'has a range that is none'
    if (compareKeys(range.first, range.last) > 0) return 'has a range that ends before it begins'
    if (last !== undefined && compareKeys(range.first, last) <= 0) return 'has ranges that overlap'
    last = range.last
    sum.count += range.count
    sum.size += range.size
  }
  return sum.count === fileCount && sum.size === size ? undefined : 'does not add up'
}

/**
 * Reads the lines of a range. Returns what is wrong instead, if anything is: no key leads out of the replica's
 * folder. Whoever makes file names of paths checks those.
 */
export function decodeRange(text: string, range: ManifestRange): ManifestEntry[] | string {
  const lines = text.split('\n')
  lines.pop()
  if (lines.length !== range.count) return `has ${lines.length} entries, not ${range.count}`
  const entries: ManifestEntry[] = []
  let bytes = 0
  for (const line of lines) {
    const entry = decodeEntry(line)
    if (entry === undefined) return `has a line that is no entry: line ${entries.length + 1}`
    const before = entries.at(-1)
    if (before !== undefined && compareKeys(entry.path, before.path) <= 0) return 'has paths that do not rise'
    bytes += entry.size
    entries.push(entry)
  }
  if (entries[0]?.path !== range.first || entries.at(-1)?.path !== range.last) return 'begins or ends elsewhere'
  return bytes === range.size ? entries : 'does not add up'
}

function decodeEntry(line: string): ManifestEntry | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!Array.isArray(fields)) return undefined
  const [path, key, size, digest, contentType] = fields as unknown[]
  if (typeof path !== 'string' || !isInside(key) || !isCount(size) || !isDigest(digest)) return undefined
  if (contentType === undefined) return { path, key, size, digest }
  return typeof contentType === 'string' ? { path, key, size, digest, contentType } : undefined
}

function isInside(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || value.includes('\0') || value.startsWith('/')) return false
  return !value.startsWith(MANAGED_FOLDER) && !value.split('/').some((part) => part === '.' || part === '..')
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}
