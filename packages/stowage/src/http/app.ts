import { StowageError, toStowageError } from '@stowage/core'
import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import type { ReadyPart } from '../app/readiness.ts'
import type { Stowage } from '../app/stowage.ts'
import { localOnly, type Peer } from './local-only.ts'
import { forStrangers, problemOf } from './problem.ts'
import { openQueues } from './queues.ts'

/** How an {@link HttpApp} answers. */
export interface HttpAppOptions {
  /** Once it fires, `/readyz` says that this process is going, so that nothing new is sent to it. */
  signal?: AbortSignal
  /** Milliseconds that `/readyz` waits for the catalog and the queue. @defaultValue 2000 */
  readyMs?: number
  /** Told of what goes wrong here and is not told to callers: bugs, and why a part is not ready, once until it is ready again. */
  onError?: (error: StowageError) => void
}

/** Answers requests, wherever they come from: a server, a function, a test. */
export interface HttpApp {
  /** Never rejects: every error is a problem document. @param peer who sent it; some pages answer to this machine alone */
  fetch(request: Request, peer?: Peer): Promise<Response>
  /** Gives back what it opened. The Stowage stays open. */
  close(): Promise<void>
}

const says: Readonly<Record<ReadyPart, string>> = {
  catalog: 'The catalog does not answer.',
  queue: 'The Redis of the queue does not answer.',
}

/**
 * The HTTP side of an open Stowage: `/healthz`, `/readyz`, and `/queues/` on this machine. Needs the package `hono`.
 *
 * @example
 * ```ts
 * import { httpApp, listen } from 'stowage/http'
 *
 * const app = await httpApp(stowage)
 * const server = await listen(app, { port: 7869 })
 * // … and in the end
 * await server.close()
 * await app.close()
 * ```
 */
export async function httpApp(stowage: Stowage, options: HttpAppOptions = {}): Promise<HttpApp> {
  const { signal, readyMs, onError = () => undefined } = options
  const clean = (thrown: unknown): StowageError =>
    toStowageError(stowage.sources.redactor.value(toStowageError(thrown)))
  const queues = await openQueues(stowage, (error) => onError(clean(error)))
  const app = new Hono<{ Bindings: Peer }>()
  app.use(
    secureHeaders({
      // Whether there is TLS before this is for others to say.
      strictTransportSecurity: false,
      xFrameOptions: 'DENY',
      contentSecurityPolicy: { frameAncestors: ["'none'"] },
    }),
  )

  app.get('/healthz', (c) => c.json({ status: 'ok' }, 200, { 'cache-control': 'no-store' }))

  const unready = new Set<ReadyPart>()
  app.get('/readyz', async (c) => {
    if (signal?.aborted) return problemOf(new StowageError('aborted', 'This process is stopping.'))
    const found = await stowage.readiness(readyMs === undefined ? {} : { limitMs: readyMs })
    for (const { part, error } of found) {
      if (error !== undefined && !unready.has(part)) onError(error)
      if (error === undefined) unready.delete(part)
      else unready.add(part)
    }
    const parts = found.map(({ part, ready, error }) => ({ part, ready, ...(error && { code: error.code }) }))
    const missing = found.filter(({ ready }) => !ready).map(({ part }) => says[part])
    if (missing.length === 0) return c.json({ status: 'ready', parts }, 200, { 'cache-control': 'no-store' })
    return problemOf(new StowageError('unavailable', missing.join(' ')), { members: { parts } })
  })

  for (const path of ['/healthz', '/readyz']) app.all(path, (c) => onlyReads(c.req.method))

  app.all('/queues/*', async (c) => {
    const refusal = localOnly(c.req.raw, c.env)
    if (refusal !== undefined) throw refusal
    const { method } = c.req
    return method === 'GET' || method === 'HEAD' ? await queues.fetch(c.req.raw) : onlyReads(method)
  })

  app.notFound((c) => problemOf(new StowageError('not-found', `There is nothing at ${c.req.path}.`)))
  app.onError((thrown) => {
    const error = clean(thrown)
    if (error.code === 'internal') onError(error)
    return problemOf(forStrangers(error))
  })

  return {
    fetch: async (request, peer = {}) => await app.fetch(request, peer),
    close: () => queues.close(),
  }
}

function onlyReads(method: string): Response {
  const error = new StowageError('not-supported', `${method} is not supported here.`, { hint: 'Use GET.' })
  return problemOf(error, { status: 405, headers: { allow: 'GET, HEAD' } })
}
