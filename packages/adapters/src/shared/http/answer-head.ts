/** What an answer says before its body. */
export interface AnswerHead {
  status: number
  /** Names in lower case. What comes more than once is joined with commas. */
  headers: Readonly<Record<string, string>>
  /** Bytes of the body, or how it tells its end: by chunks, or by the connection's end. */
  length: number | 'chunked' | 'close'
  /** Whether the connection may serve another request. */
  reusable: boolean
  /** Milliseconds that the server keeps an unused connection, where it says so. */
  keepMs: number | undefined
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/
/** A header as RFC 9112 (5) writes it: no blank before the colon, nothing folded, no control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)$/

/**
 * Reads an answer's status line and headers (RFC 9112). What is not as the standard says is refused: two readers who take it differently
 * would disagree on where the body ends.
 * @param text without the empty line at its end
 * @throws Error with a code that begins with `HPE_`
 */
export function parseHead(text: string, method: string): AnswerHead {
  const lines = text.split('\r\n')
  const status = statusLine.exec(lines[0] ?? '')
  if (status === null) throw notHttp('the status line')
  const headers: Record<string, string> = {}
  for (let i = 1; i < lines.length; i++) {
    const match = headerLine.exec(lines[i] ?? '')
    const name = match?.[1]?.toLowerCase()
    if (match === null || name === undefined) throw notHttp('a header')
    const value = (match[2] ?? '').trimEnd()
    const before = Object.hasOwn(headers, name) ? headers[name] : undefined
    if (name === '__proto__') throw notHttp('a header')
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  const code = Number(status[2])
  const length = lengthOf(headers, code, method)
  const connection = (headers['connection'] ?? '').toLowerCase()
  const closes = status[1] === '0' ? !/\bkeep-alive\b/.test(connection) : /\bclose\b/.test(connection)
  const seconds = /\btimeout=(\d{1,6})\b/i.exec(headers['keep-alive'] ?? '')?.[1]
  return {
    status: code,
    headers,
    length,
    reusable: !closes && length !== 'close',
    keepMs: seconds === undefined ? undefined : Number(seconds) * 1000,
  }
}

/** How long the body is: RFC 9112 (6.3). */
function lengthOf(headers: Record<string, string>, status: number, method: string): AnswerHead['length'] {
  const coding = headers['transfer-encoding']
  const told = headers['content-length']
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0
  if (coding !== undefined) {
    if (told !== undefined || coding.toLowerCase() !== 'chunked') throw notHttp('the length of the body')
    return 'chunked'
  }
  if (told === undefined) return 'close'
  const [first, ...others] = told.split(',').map((one) => one.trim())
  if (first === undefined || !/^\d{1,15}$/.test(first) || others.some((one) => one !== first)) {
    throw notHttp('the length of the body')
  }
  return Number(first)
}

/** The error of an answer that is not HTTP. */
export function notHttp(what: string): Error {
  return Object.assign(new Error(`the answer is not HTTP/1.1: ${what}`), { code: 'HPE_INVALID' })
}
