const others = /[!'()*]/g

/** Percent-encodes all but the unreserved characters of RFC 3986, as signatures want it. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(others, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** A key as a path: its slashes stay. */
export function encodePath(key: string): string {
  return encode(key).replaceAll('%2F', '/')
}

/** Parameters of a request. An empty value is none: `?uploads`. */
export type Query = Readonly<Record<string, string>>

/** A query as it is sent, and as signature V4 sees it: sorted by encoded name. */
export function encodeQuery(query: Query): string {
  return Object.entries(query)
    .map(([name, value]): [string, string] => [encode(name), encode(value)])
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    .join('&')
}
