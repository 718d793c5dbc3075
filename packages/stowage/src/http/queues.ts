import { StowageError, toStowageError } from '@stowage/core'
import type { QueueBoardPages } from '../app/queue-board.ts'
import type { Stowage } from '../app/stowage.ts'

/** The board of the queue under `/queues/`. */
export interface Queues {
  /** Answers what {@link localOnly} let through. @throws StowageError that says why there is no answer */
  fetch(request: Request): Promise<Response>
  close(): Promise<void>
}

/** @param onError is told why there is no board, where there should be one */
export async function openQueues(
  stowage: Pick<Stowage, 'queueBoard'>,
  onError: (error: StowageError) => void,
): Promise<Queues> {
  let board: QueueBoardPages | undefined
  let missing = new StowageError('not-found', 'There is no board: the queue is not on BullMQ.', {
    hint: '"stowage task list" shows the tasks of any queue.',
  })
  try {
    board = await stowage.queueBoard()
  } catch (thrown) {
    // All else does without it.
    missing = toStowageError(thrown)
    onError(missing)
  }
  return {
    fetch: async (request) => {
      if (board === undefined) throw missing
      return await whole(await board.fetch(request))
    },
    close: async () => board?.close(),
  }
}

/**
 * The answer with its body in memory, so that a client that leaves in the middle is no trouble to anybody.
 * @throws StowageError for answers that tell of an error
 */
async function whole(answer: Response): Promise<Response> {
  const { status, headers } = answer
  if (status < 400) return new Response(status === 204 ? null : await answer.arrayBuffer(), { status, headers })
  await answer.body?.cancel()
  if (status === 404) throw new StowageError('not-found', 'The board has no such page.')
  if (status < 500) throw new StowageError('invalid-request', 'The board refuses the request.')
  // It keeps nothing itself: what fails is Redis.
  throw new StowageError('unavailable', 'The Redis of the queue does not answer.')
}
