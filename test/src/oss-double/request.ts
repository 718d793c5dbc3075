import type { IncomingMessage, ServerResponse } from 'node:http'
import { OssError } from './errors.ts'

/** A request as the double looks at it. */
export class OssRequest {
  readonly method: string
  /** The path as it was sent, without the query. */
  readonly rawPath: string
  readonly query: ReadonlyMap<string, string>
  /** The header `Host` in lower case, without the port. */
  readonly host: string
  readonly response: ServerResponse
  readonly #incoming: IncomingMessage
  #body: Promise<Buffer> | undefined

  constructor(incoming: IncomingMessage, response: ServerResponse) {
    this.#incoming = incoming
    this.response = response
    this.method = incoming.method ?? ''
    const url = incoming.url ?? '/'
    const mark = url.indexOf('?')
    this.rawPath = mark < 0 ? url : url.slice(0, mark)
    this.query = new Map(mark < 0 ? [] : parseQuery(url.slice(mark + 1)))
    this.host = (incoming.headers.host ?? '').toLowerCase().replace(/:\d+$/, '')
  }

  /** A header's value as UTF-8. */
  header(name: string): string | undefined {
    const value = this.#incoming.headers[name]
    return value === undefined ? undefined : asUtf8(String(value))
  }

  /** All headers whose names begin with this, in the order in which they came. */
  headersWith(prefix: string): [string, string][] {
    return Object.entries(this.#incoming.headers)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name, asUtf8(String(value))])
  }

  /** What was asked for beside the data, such as `uploads`. */
  asks(name: string): boolean {
    return this.query.has(name)
  }

  /**
   * Reads the body whole.
   * @throws OssError `EntityTooLarge`, `MissingContentLength`, `IncompleteBody`
   */
  body(limit: number): Promise<Buffer> {
    const length = this.header('content-length')
    if (length === undefined && this.header('transfer-encoding') === undefined) {
      throw new OssError('MissingContentLength', 'You must provide the Content-Length HTTP header.')
    }
    if (Number(length ?? 0) > limit) {
      throw new OssError('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size.')
    }
    this.#body ??= readAll(this.#incoming)
    return this.#body
  }

  /** Lets what is left of the body come and go, so that the client gets to read the answer. */
  drain(): void {
    if (this.#body === undefined) this.#incoming.resume()
  }

  /** Ends the connection without a word. */
  hangUp(): void {
    this.#incoming.socket.destroy()
  }
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
  } catch {
    throw new OssError('IncompleteBody', 'The body was cut short.')
  }
  return Buffer.concat(chunks)
}

/** Node reads headers as Latin-1; OSS takes them as UTF-8. */
function asUtf8(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8')
}

function parseQuery(text: string): [string, string][] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=')
      const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
      return [decode(name), decode(value)]
    })
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new OssError('InvalidArgument', 'The query is not percent-encoded UTF-8.')
  }
}
