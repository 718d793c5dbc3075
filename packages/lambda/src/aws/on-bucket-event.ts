import {
  createStowage,
  parseBucketEvents,
  type Stowage,
  type StowageConfigInput,
  StowageError,
  type StowageOptions,
} from 'stowage'

/** What of Lambda's context is used. */
export interface LambdaContext {
  getRemainingTimeInMillis(): number
}

export interface BucketEventOptions {
  /** The configuration, or a module whose default export it is. Asked for once, at the first event. */
  config: () => Promise<StowageConfigInput | { default: StowageConfigInput }> | StowageConfigInput
  /** Passed to `createStowage()`. */
  stowage?: Omit<StowageOptions, 'background'>
  /** Time kept for the end of an invocation, in milliseconds. @defaultValue 10000 */
  marginMs?: number
}

/** What one invocation did. */
export interface BucketEventResult {
  /** Records of the event that told of objects. */
  events: number
  /** One sync for each policy that an event's key lies under. */
  syncs: { policyId: string; taskId: string; status: string; copied: number; failed: number; bytes: number }[]
}

/**
 * A whole function: an S3 event leads to a look at its objects, for each policy on `event` that they lie under. The event is written down in
 * the catalog first. When what it leads to fails, is not finished in time, or another invocation is at it, the handler throws, so that Lambda
 * delivers the event again; the next invocation goes on where this one stopped. A catalog that outlives the invocation needs a scheduler
 * somewhere, or a timer that calls `stowage.policies.runDue()`: events alone lose changes.
 *
 * @example
 * ```ts
 * import { onBucketEvent } from '@stowage/lambda/aws'
 * export const handler = onBucketEvent({ config: () => import('./stowage.config.js') })
 * ```
 */
export function onBucketEvent(
  options: BucketEventOptions,
): (event: unknown, context: LambdaContext) => Promise<BucketEventResult> {
  let opening: Promise<Stowage> | undefined
  return async (event, context) => {
    const events = parseBucketEvents(event)
    if (events.length === 0) return { events: 0, syncs: [] }
    opening ??= open(options)
    opening.catch(() => {
      opening = undefined
    })
    const stowage = await opening
    // Written down in the catalog: should this invocation end now, whoever works on the policies sees to them.
    const { policies } = await stowage.policies.handleEvents(events)
    const syncs: BucketEventResult['syncs'] = []
    let failure: unknown
    for (const policyId of policies) {
      try {
        const timeLimitMs = context.getRemainingTimeInMillis() - (options.marginMs ?? 10_000)
        if (timeLimitMs <= 0) throw unfinished(policyId, 'there was no time left to begin it')
        const sync = await run(stowage, policyId, timeLimitMs)
        if (sync !== undefined) syncs.push(sync)
      } catch (error) {
        // The others are not held up by it.
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return { events: events.length, syncs }
  }
}

/**
 * Runs what was noted for a policy. Gives nothing when another invocation has seen to it.
 * @throws StowageError when it was not brought to its end
 */
async function run(
  stowage: Stowage,
  policyId: string,
  timeLimitMs: number,
): Promise<BucketEventResult['syncs'][number] | undefined> {
  const run = await stowage.policies.runNoted(policyId, { timeLimitMs })
  if (run === 'idle') return undefined
  if (run === 'busy') throw unfinished(policyId, 'another invocation is at it')
  if (run.thrown !== undefined) throw run.thrown
  const { taskId = '', status, objects, bytes, error } = run
  if (status !== 'success')
    throw unfinished(policyId, `task ${taskId} is ${status}: ${error?.message ?? 'go on later'}`)
  return { policyId, taskId, status, copied: objects.copied, failed: objects.failed, bytes }
}

async function open(options: BucketEventOptions): Promise<Stowage> {
  const loaded = await options.config()
  const config = 'default' in loaded ? loaded.default : loaded
  return createStowage(config, { ...options.stowage, background: false })
}

function unfinished(policyId: string, why: string): StowageError {
  return new StowageError('unavailable', `Policy "${policyId}" is not finished: ${why}.`, { retryable: true })
}
