import { createRequire } from 'node:module'
import { dirname, relative } from 'node:path'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { HonoAdapter } from '@bull-board/hono'
import { serveStatic } from '@hono/node-server/serve-static'
import { Queue } from 'bullmq'
import { Hono } from 'hono'
import { type BullCarrierOptions, connectionOf, queueName } from '../bullmq/index.ts'
import { Reconnect } from '../bullmq/reconnect.ts'

/** Which queue a board shows, and where. */
export interface QueueBoardOptions extends Omit<BullCarrierOptions, 'events'> {
  /** The path it is served under. @defaultValue '/queues' */
  basePath?: string
}

/** Bull Board on the queue's jobs. */
export interface QueueBoard {
  /** Answers requests below the base path. */
  readonly app: Hono
  /** Gives its connection back. */
  close(): Promise<void>
}

/**
 * Bull Board as an app to mount. It only shows: the truth is in the store, so tasks are cancelled and tried again there. It asks nobody who they
 * are; whoever mounts it does.
 *
 * @example
 * ```ts
 * const board = queueBoard({ redis: 'redis://queue.lan:6379' })
 * app.route('/', board.app)
 * ```
 * @throws StowageError `configuration` when the address is wrong
 */
export function queueBoard(options: QueueBoardOptions): QueueBoard {
  const basePath = options.basePath ?? '/queues'
  const reconnect = new Reconnect()
  const connection = { ...connectionOf(options), maxRetriesPerRequest: 2, retryStrategy: reconnect.strategy }
  const queue = new Queue(queueName, { connection, prefix: options.prefix ?? 'stowage', skipWaitingForReady: true })
  // Requests fail while Redis is away; the page says so.
  queue.on('error', () => undefined)
  const server = new HonoAdapter(serveStatic)
  server.setBasePath(basePath)
  // The files are served from a path relative to the working directory.
  const ui = dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json'))
  createBullBoard({
    queues: [new BullMQAdapter(queue, { readOnlyMode: true, description: 'Tickets of sync tasks' })],
    serverAdapter: server,
    options: { uiBasePath: relative(process.cwd(), ui) || '.' },
  })
  // With and without a slash at the end.
  const app = new Hono({ strict: false })
  app.route(basePath, server.registerPlugin())
  return {
    app,
    close: async () => {
      reconnect.stop()
      // By force: it only reads, and a Redis that is away would keep it waiting.
      await queue.backend.close(true)
    },
  }
}
