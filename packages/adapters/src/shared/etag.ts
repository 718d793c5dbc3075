/** An entity tag without its quotes. */
export function unquote(etag: string | undefined): string {
  if (etag === undefined) return ''
  return etag.slice(etag.startsWith('"') ? 1 : 0, etag.length > 1 && etag.endsWith('"') ? -1 : etag.length)
}

/** An entity tag as a condition carries it. */
export function quote(etag: string): string {
  return `"${etag}"`
}
