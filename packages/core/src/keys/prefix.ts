/**
 * A prefix in Stowage names a folder: it is empty (the whole bucket) or ends in `/`. So `zzz` never touches `zzz-precious/`.
 *
 * @example
 * ```ts
 * toPrefix('raw')  // 'raw/'
 * toPrefix('raw/') // 'raw/'
 * toPrefix('')     // ''
 * ```
 */
export function toPrefix(folder: string): string {
  return folder === '' || folder.endsWith('/') ? folder : `${folder}/`
}

/** True when both prefixes (as {@link toPrefix} makes them) name the same folder or one lies inside the other. */
export function prefixesOverlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a)
}

/** The folders above a prefix and itself, outermost first: `a/b/` gives ``, `a/`, `a/b/`. */
export function ancestorsOf(prefix: string): string[] {
  const all = ['']
  for (let at = prefix.indexOf('/'); at >= 0; at = prefix.indexOf('/', at + 1)) all.push(prefix.slice(0, at + 1))
  return all
}
