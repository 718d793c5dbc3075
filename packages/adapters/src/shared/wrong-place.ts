import type { Meaning } from './meaning.ts'
import { meanings } from './meanings.ts'

/** What a store told of where the bucket is. It came from outside. */
export interface RightPlace {
  region?: string | undefined
  /** A host, with or without a port. */
  endpoint?: string | undefined
  /** An address to go on to. */
  location?: string | undefined
}

/** Nothing else goes into a hint: no path or query, which may be signed. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:\d{1,5})?$/

/**
 * The meaning of an answer that sends a request elsewhere. It is never followed: a signature and a body are for the one that was asked,
 * and where an answer leads has been judged by nobody.
 */
export function wrongPlace({ region, endpoint, location }: RightPlace): Meaning {
  const host = hostOf(location) ?? plain(endpoint)
  const named = [
    plain(region) === undefined ? undefined : `region to ${region}`,
    host === undefined ? undefined : `endpoint to ${host}`,
  ].filter((part) => part !== undefined)
  if (named.length === 0) return meanings.wrongPlace
  return { ...meanings.wrongPlace, hint: `The store names the place: set ${named.join(' and ')}, if you trust it.` }
}

function plain(text: string | undefined): string | undefined {
  return text !== undefined && plainName.test(text) ? text : undefined
}

function hostOf(location: string | undefined): string | undefined {
  const url = location === undefined ? null : URL.parse(location)
  return url === null ? undefined : plain(url.host)
}
