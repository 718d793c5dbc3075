/** Longest part of a key between slashes, in characters: some stores keep keys as paths on disks. */
const partLength = 200

/** Ends a key. It sorts before everything a key goes on with, so that a key sorts before those that begin with it. */
const end = '!'

/**
 * The characters of a record's key that an object's key had better not have: `/` and `.` make folders and dot segments. Those that take
 * their place sort in the same order among all others.
 */
const written: Readonly<Record<string, string>> = { '-': '(', '.': ')', '/': '-' }
const meant: Readonly<Record<string, string>> = { '(': '-', ')': '.', '-': '/' }

/** What the object keys of all records begin with whose keys begin with `prefix`. */
export function objectPrefix(prefix: string): string {
  const text = prefix.replace(/[-./]/g, (char) => written[char] ?? char)
  const parts: string[] = []
  for (let at = 0; at < text.length; at += partLength) parts.push(text.slice(at, at + partLength))
  return parts.join('/')
}

/** The object key of a record. Object keys sort as the records' keys do. */
export function objectKey(key: string): string {
  return objectPrefix(key) + end
}

/** The record's key, or `undefined` when the object is no record. */
export function recordKey(key: string): string | undefined {
  if (!key.endsWith(end)) return undefined
  const text = key.slice(0, -1).replace(/\//g, '')
  const record = text.replace(/[()-]/g, (char) => meant[char] ?? char)
  return objectKey(record) === key ? record : undefined
}
