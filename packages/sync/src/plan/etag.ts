/** An etag without the quotes, and the mark of a weak one, that belong to HTTP's header and not to it. */
export function bareEtag(etag: string): string {
  const found = /^(?:W\/)?"(.*)"$/s.exec(etag)
  return found?.[1] ?? etag
}

/**
 * Whether two etags are the same, though one is from a listing and the other from a head or a put: some stores quote only one of them, or
 * write its hexadecimal digits in the other case.
 */
export function sameEtag(a: string, b: string): boolean {
  return a === b || spelledAlike(a) === spelledAlike(b)
}

/** One spelling of an etag. Case counts unless the etag is plainly an MD5, with or without a number of parts. */
function spelledAlike(etag: string): string {
  const bare = bareEtag(etag)
  return /^[0-9a-f]{32}(-\d+)?$/i.test(bare) ? bare.toLowerCase() : bare
}
