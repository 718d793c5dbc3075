import { type Clock, type StorageAdapter, StowageError, systemClock, toStowageError } from '@stowage/core'
import { type Claims, readUrl } from './claims.ts'
import { readObject } from './read-object.ts'
import { refusal } from './refusal.ts'
import { type PresignSettings, UrlSigner } from './signer.ts'
import { writeObject } from './write-object.ts'

/** Options of {@link presignHandler}. */
export interface PresignHandlerOptions extends PresignSettings {
  /** Web origins whose pages may use the URLs, such as `https://app.example.com`; `*` for all. @defaultValue none */
  origins?: readonly string[]
  /** @defaultValue the machine's clock */
  clock?: Clock
}

/**
 * Serves the URLs that folders and memory presign, as a function from `Request` to `Response`: for `node:http` by an adapter such as
 * `@hono/node-server`, for Hono, Deno, Bun and workers as it is. It does what a URL says and nothing else: no listing, no other key.
 *
 * Reads take ranges and conditions. Writes are created only, within their size, with their content type; a body that breaks off leaves
 * nothing behind. `x-amz-checksum-crc32` and `x-amz-checksum-sha256` are verified when they are sent.
 *
 * @example
 * ```ts
 * const settings = { baseUrl: 'https://files.example.com/objects', secret }
 * const disk = filesystem({ id: 'disk', root: './data', presign: settings })
 * const serve = presignHandler([disk], { ...settings, origins: ['https://app.example.com'] })
 * app.all('/objects/*', (c) => serve(c.req.raw))
 * ```
 * @throws StowageError `configuration` when the settings are wrong
 */
export function presignHandler(
  adapters: readonly StorageAdapter[],
  options: PresignHandlerOptions,
): (request: Request) => Promise<Response> {
  const signer = new UrlSigner(options.secret)
  const clock = options.clock ?? systemClock
  const base = new URL(options.baseUrl).pathname.replace(/\/+$/, '')
  const byId = new Map(adapters.map((adapter) => [adapter.id, adapter]))

  /** Finds what a request may do. @throws StowageError `access-denied` */
  function judge(request: Request): { adapter: StorageAdapter; claims: Claims } {
    const url = new URL(request.url)
    const read = url.pathname.startsWith(`${base}/`)
      ? readUrl(url.pathname.slice(base.length), url.searchParams)
      : undefined
    if (read === undefined || !signer.isSigned(read.claims, read.signature))
      throw denied('The signature is not right for this URL.')
    const { claims } = read
    if (!(clock.now() < claims.expires * 1000)) throw denied('The URL has expired.')
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (claims.method === 'get' ? !isRead : request.method !== 'PUT')
      throw denied(`The URL is not for ${request.method}.`)
    const adapter = byId.get(claims.sourceId)
    if (adapter === undefined) throw denied('The URL is for a source that is not served here.')
    return { adapter, claims }
  }

  return async (request) => {
    const shared = sharing(request, options.origins ?? [])
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: shared })
    let response: Response
    try {
      const { adapter, claims } = judge(request)
      response = await (claims.method === 'get'
        ? readObject(adapter, claims, request)
        : writeObject(adapter, claims, request))
    } catch (error) {
      response = refusal(toStowageError(error, request.signal), request.method)
    }
    for (const [name, value] of Object.entries(shared)) response.headers.set(name, value)
    return response
  }
}

/** What lets pages of other origins use the answer. */
function sharing(request: Request, origins: readonly string[]): Record<string, string> {
  const origin = request.headers.get('origin')
  const isAllowed = origin !== null && (origins.includes('*') || origins.includes(origin))
  if (!isAllowed) return origins.length === 0 ? {} : { vary: 'origin' }
  return {
    vary: 'origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'etag, content-length, content-range, accept-ranges',
    ...(request.method === 'OPTIONS'
      ? {
          'access-control-allow-methods': 'GET, HEAD, PUT',
          'access-control-allow-headers':
            'content-type, range, if-match, if-none-match, x-amz-checksum-crc32, x-amz-checksum-sha256',
          'access-control-max-age': '3600',
        }
      : {}),
  }
}

function denied(message: string): StowageError {
  return new StowageError('access-denied', message)
}
