import { compareKeys } from '@stowage/core'
import type { Called } from './calls.ts'

/** What of a bucket is asked for: keys with the prefix, above the position. */
export interface ListedRange {
  prefix: string
  startAfter: string
}

/**
 * The range to ask a store for, so that it lists at least what is wanted, where the wanted range itself would be refused or listed wrongly.
 * What comes too much has to be left out.
 */
export function askedRange({ capabilities }: Called, wanted: ListedRange): ListedRange {
  const { dotSegments, controlCharacters, folderMark } = capabilities.keys
  let { prefix, startAfter } = wanted
  if (controlCharacters !== 'all') startAfter = startAfter.replace(fromControl, '')
  if (folderMark !== undefined) {
    prefix = withoutMark(prefix, folderMark)
    const before = prefix + justBefore(folderMark)
    if (prefix !== wanted.prefix && compareKeys(startAfter, before) < 0) startAfter = before
  }
  return dotSegments
    ? { prefix, startAfter }
    : { prefix: withoutDotPart(prefix), startAfter: beforeDotPart(startAfter) }
}

/** Some stores fail on a position with such a character where they echo it as XML. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const fromControl = /[\u0000-\u0008\u000a-\u001f].*$/s

/**
 * Some stores refuse `.` and `..` as parts of a path, also among blanks and after backslashes, even where a listing only names a prefix or a
 * position. So less far is asked for.
 */
function withoutDotPart(prefix: string): string {
  return prefix.replace(/(^|[\\/])[\s\u0085]*\.{1,2}[\s\u0085]*$/, '$1')
}

function beforeDotPart(position: string): string {
  return position.replace(/(^|[\\/])[\s\u0085]*\.{1,2}[\s\u0085]*([\\/].*)?$/s, '$1')
}

/**
 * Where a folder `a/` lies on the disk as `a__XLDIR__`, RustFS 1.0.1 takes it for something that begins with `a_`: what lies in the folder
 * uses up the rows of a listing of that prefix, which then ends as if there were nothing. So such an end is not asked for.
 */
function withoutMark(prefix: string, mark: string): string {
  for (let length = mark.length; length > 0; length--) {
    if (prefix.endsWith(mark.slice(0, length))) return withoutMark(prefix.slice(0, -length), mark)
  }
  return prefix
}

/** A text below all that begin with the first character of the mark, and above those that begin with a lower one. */
function justBefore(mark: string): string {
  return `${String.fromCharCode(mark.charCodeAt(0) - 1)}\u{10ffff}`
}
