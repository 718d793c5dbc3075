import type { Readable } from 'node:stream'

/** Names and values in turn, names in lower case. */
export type HeaderList = string[]

/** A request as it is sent. `host`, `connection` and `content-length` are added to its headers. */
export interface HttpRequest {
  method: string
  /** The path and the query, encoded. */
  path: string
  headers: HeaderList
  /** What is sent. A stream ends with the request. */
  body?: Uint8Array | Iterable<Uint8Array> | Readable | undefined
  /** Bytes of a body that is not in memory. */
  length?: number | undefined
  /** Told when a chunk of a stream has left: its memory is not read any more. */
  onSent?: ((chunk: Uint8Array) => void) | undefined
}

/** One who hears of an answer. */
export interface AnswerHandler {
  /** The request is about to be sent. What this throws is told by `onError`, and the connection is kept for others. */
  onStart(control: AnswerControl): void
  onHead(status: number, headers: Readonly<Record<string, string>>): void
  onData(chunk: Buffer): void
  onEnd(): void
  /** The request or its answer failed. Nothing is told after it. */
  onError(error: Error): void
}

/** What may be done about an answer while it comes. */
export interface AnswerControl {
  /** Takes nothing more from the connection. */
  pause(): void
  resume(): void
  /** Gives back a chunk that nobody looks at any more, to be written over. */
  takeBack(chunk: Uint8Array): void
  /** Gives the answer up, and the connection with it. */
  abort(error: Error): void
}

const wrongValue = /[^\t\x20-\x7e\x80-\xff]/
const wrongPath = /[^\x21-\x7e]/

/** The head of a request. @throws Error with the code `ERR_INVALID_CHAR` for what would not stay where it is put */
export function requestHead({ method, path, headers, body, length }: HttpRequest, host: string): string {
  if (wrongPath.test(path)) throw invalid('the path')
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] ?? ''
    if (wrongValue.test(value)) throw invalid(`the header ${headers[i]}`)
    head += `${headers[i]}: ${value}\r\n`
  }
  const bytes = body instanceof Uint8Array ? body.length : (length ?? 0)
  if (body !== undefined || (method !== 'GET' && method !== 'HEAD')) head += `content-length: ${bytes}\r\n`
  return `${head}\r\n`
}

function invalid(what: string): Error {
  return Object.assign(new Error(`${what} has characters that cannot be sent`), { code: 'ERR_INVALID_CHAR' })
}
