import { utf8Length } from './order.ts'

/** What keys a store can hold without refusing, folding or hiding them. Part of an adapter's capabilities. */
export interface KeyRules {
  /** Longest key, in bytes of UTF-8. S3, MinIO and OSS: 1024 (1023 on OSS). */
  readonly maxBytes: number
  /** Longest part between slashes, in bytes of UTF-8, where the store keeps parts as file names (MinIO, RustFS, folders: 255). */
  readonly maxSegmentBytes?: number
  /** Deepest key, counted in slashes. A guard: RustFS 1.0.1 dies of a key 300 levels deep. */
  readonly maxDepth?: number
  /** Keys such as `/a`. MinIO and RustFS fold them silently into `a`. */
  readonly leadingSlash: boolean
  /** Keys such as `\\a`, which OSS refuses. @defaultValue true */
  readonly leadingBackslash?: boolean
  /** Keys such as `a/`, which consoles write as folder markers. */
  readonly trailingSlash: boolean
  /** Uploads in parts of keys such as `a/`: MinIO refuses them, RustFS makes an object `a` of them. @defaultValue as `trailingSlash` */
  readonly trailingSlashInParts?: boolean
  /** Keys such as `a//b`. */
  readonly emptySegments: boolean
  /** Keys with a part that is `.` or `..`. */
  readonly dotSegments: boolean
  /**
   * Without `dotSegments`: the store also refuses such parts with blanks around them, and between backslashes, as in `.\\a`.
   * @defaultValue false
   */
  readonly looseDots?: boolean
  /**
   * How the store marks folders on its disks: a part that ends in this would be taken for one. With `__XLDIR__`, MinIO and RustFS list
   * `a__XLDIR__` as `a/` and `a__XLDIR__/b` not at all, and RustFS 1.0.1 dies of listing `__XLDIR__`.
   */
  readonly folderMark?: string
  /**
   * Control characters (U+0001 to U+001F and U+007F): `all`, `none`, all but line breaks, or only tabs and U+007F. NUL is refused always.
   */
  readonly controlCharacters: 'all' | 'none' | 'no-line-breaks' | 'tab-and-delete'
  /** Whether an object `a` and an object `a/b` can both exist and both be listed. */
  readonly objectAndFolder: boolean
  /** Keys that begin with this belong to the adapter itself and are refused, such as the filesystem's work folder. */
  readonly reserved?: string
}

/** The rules of plain AWS S3: nearly everything goes. */
export const s3KeyRules: KeyRules = {
  maxBytes: 1024,
  leadingSlash: true,
  trailingSlash: true,
  emptySegments: true,
  dotSegments: true,
  controlCharacters: 'all',
  objectAndFolder: true,
}

const lineBreak = /[\n\r]/
/** Which control characters a store refuses beside line breaks. */
const refusedControl = {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  none: /[\u0001-\u001f\u007f]/,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  'tab-and-delete': /[\u0001-\u0008\u000b-\u001f]/,
  'no-line-breaks': /(?!)/,
}

/**
 * Says why a store with these rules cannot hold a key, or `undefined` when it can.
 *
 * @example
 * ```ts
 * checkKey('a//b', adapter.capabilities.keys) // 'has an empty part ("//")'
 * ```
 * @param inParts whether it is the key of an upload in parts
 */
export function checkKey(key: string, rules: KeyRules, inParts = false): string | undefined {
  if (key === '') return 'is empty'
  if (!key.isWellFormed()) return 'is not valid Unicode (a lone surrogate)'
  if (key.includes('\0')) return 'has a NUL character'
  const bytes = utf8Length(key)
  if (bytes > rules.maxBytes) return `is ${bytes} bytes long; the store takes ${rules.maxBytes}`
  if (rules.reserved !== undefined && (key.startsWith(rules.reserved) || `${key}/` === rules.reserved)) {
    return `begins with "${rules.reserved}", which the store keeps for itself`
  }
  if (!rules.leadingSlash && key.startsWith('/')) return 'begins with "/"'
  if (rules.leadingBackslash === false && key.startsWith('\\')) return 'begins with "\\"'
  if (!rules.trailingSlash && key.endsWith('/')) return 'ends in "/"'
  if (inParts && rules.trailingSlashInParts === false && key.endsWith('/')) {
    return 'ends in "/", which the store takes in one piece only'
  }
  if (rules.controlCharacters !== 'all') {
    if (lineBreak.test(key)) return 'has a line break'
    if (refusedControl[rules.controlCharacters].test(key)) return 'has a control character'
  }
  return checkSegments(key, rules)
}

/**
 * Says why a store with these rules can hold nothing below a prefix (as `toPrefix` makes it), or `undefined` when it can.
 *
 * @example
 * ```ts
 * checkPrefix('/photos/', adapter.capabilities.keys) // 'begins with "/"'
 * ```
 */
export function checkPrefix(prefix: string, rules: KeyRules): string | undefined {
  return prefix === '' ? undefined : checkKey(`${prefix}x`, rules)
}

/** With blanks as Go's `strings.TrimSpace` and Rust's `trim` know them, which U+FEFF is not. */
const looseDot = /(^|[\\/])((?!\ufeff)[\s\u0085])*\.{1,2}((?!\ufeff)[\s\u0085])*([\\/]|$)/

function checkSegments(key: string, rules: KeyRules): string | undefined {
  if (rules.looseDots === true && looseDot.test(key)) return 'has a part that is "." or ".."'
  const segments = key.split('/')
  if (rules.maxDepth !== undefined && segments.length - 1 > rules.maxDepth) {
    return `is ${segments.length - 1} levels deep; the store takes ${rules.maxDepth}`
  }
  for (const [i, segment] of segments.entries()) {
    const edge = (i === 0 && rules.leadingSlash) || i === segments.length - 1
    if (segment === '' && !rules.emptySegments && !edge) return 'has an empty part ("//")'
    if (rules.folderMark !== undefined && segment.endsWith(rules.folderMark)) {
      return `has a part that ends in "${rules.folderMark}", by which the store knows its folders`
    }
    if (!rules.dotSegments && (segment === '.' || segment === '..')) return `has a part that is "${segment}"`
    if (rules.maxSegmentBytes === undefined) continue
    // The slash at the end becomes the mark on the disk.
    const isFolder = i === segments.length - 2 && segments[i + 1] === ''
    const most = rules.maxSegmentBytes - (isFolder ? (rules.folderMark ?? '').length : 0)
    if (utf8Length(segment) > most) return `has a part longer than ${most} bytes`
  }
  return undefined
}

/**
 * Rules for a file's path inside a dataset: what every supported store can hold, so that a dataset can be replicated anywhere.
 * `maxBytes` leaves room for the replica's own prefix within S3's 1024.
 */
export const portablePathRules: KeyRules = {
  maxBytes: 800,
  maxSegmentBytes: 255,
  maxDepth: 64,
  leadingSlash: false,
  trailingSlash: false,
  emptySegments: false,
  dotSegments: false,
  looseDots: true,
  folderMark: '__XLDIR__',
  controlCharacters: 'none',
  objectAndFolder: false,
}
