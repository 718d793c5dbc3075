import { type Clock, StowageError } from '@stowage/core'
import type { QueueConfig } from '../config/index.ts'
import { atMost } from './at-most.ts'
import { missingPackage } from './missing-package.ts'

/** Bull Board on the queue, under `/queues/`. */
export interface QueueBoardPages {
  /**
   * Answers a request whose path is `/queues` or below. It only shows, and asks nobody who they are: whoever calls it does.
   * @throws StowageError `timeout` when Redis does not answer
   */
  fetch(request: Request): Promise<Response>
  /** Gives its connection back. */
  close(): Promise<void>
}

/** Redis may be away: nobody is kept longer than so many milliseconds. */
const patienceMs = 10_000

/** @returns `undefined` for a queue that is not on BullMQ @throws StowageError `configuration` that says what to install */
export async function openQueueBoard(
  config: QueueConfig | undefined,
  clock: Clock,
): Promise<QueueBoardPages | undefined> {
  if (config?.type !== 'bullmq') return undefined
  const { queueBoard } = await import('@stowage/sync/board').catch((cause: unknown) => {
    throw missingPackage(cause, {
      needs: 'The board of the queue needs packages that are not all installed.',
      install: ['@bull-board/api', '@bull-board/hono', 'hono', '@hono/node-server', 'bullmq', 'ioredis'],
    })
  })
  const { redis, prefix, tls } = config
  const board = queueBoard({
    redis,
    ...(prefix === undefined ? {} : { prefix }),
    ...(tls === undefined ? {} : { tls }),
  })
  return {
    fetch: async (request) => {
      const answer = Promise.resolve(board.app.fetch(request))
      if (await atMost(clock, patienceMs, answer)) return await answer
      answer.catch(() => undefined)
      throw new StowageError('timeout', 'The Redis of the queue did not answer in time.')
    },
    close: () => board.close(),
  }
}
