import {
  createStowage,
  type PolicyConfig,
  type Stowage,
  type StowageConfigInput,
  StowageError,
  type StowageOptions,
} from 'stowage'
import { parseS3Event } from './s3-event.ts'

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
 * A whole function: an S3 event starts the sync that the policy of its prefix names. Many events for one policy are one sync, which copies all
 * that changed. When the sync fails, is not finished in time, or another invocation is at it, the handler throws, so that Lambda delivers the
 * event again; the next invocation goes on where this one stopped.
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
    const events = parseS3Event(event)
    if (events.length === 0) return { events: 0, syncs: [] }
    opening ??= open(options)
    opening.catch(() => {
      opening = undefined
    })
    const stowage = await opening
    const policies = new Map<string, PolicyConfig>()
    for (const one of events) {
      for (const policy of stowage.policiesFor(one)) policies.set(policy.id, policy)
    }
    const syncs: BucketEventResult['syncs'] = []
    let failure: unknown
    for (const policy of policies.values()) {
      try {
        const timeLimitMs = context.getRemainingTimeInMillis() - (options.marginMs ?? 10_000)
        if (timeLimitMs <= 0) throw unfinished(policy, 'there was no time left to begin it')
        syncs.push(await run(stowage, policy, timeLimitMs))
      } catch (error) {
        // The others are not held up by it.
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return { events: events.length, syncs }
  }
}

/** @throws StowageError when it was not brought to its end */
async function run(
  stowage: Stowage,
  policy: PolicyConfig,
  timeLimitMs: number,
): Promise<BucketEventResult['syncs'][number]> {
  const { from, to, id: policyId } = policy
  const { taskId, status, objects, bytes, errors } = await stowage.sync({ from, to, policyId, timeLimitMs })
  if (status !== 'success')
    throw unfinished(policy, `task ${taskId} is ${status}: ${errors[0]?.message ?? 'go on later'}`)
  return { policyId, taskId, status, copied: objects.copied, failed: objects.failed, bytes: bytes.transferred }
}

async function open(options: BucketEventOptions): Promise<Stowage> {
  const loaded = await options.config()
  const config = 'default' in loaded ? loaded.default : loaded
  return createStowage(config, { ...options.stowage, background: false })
}

function unfinished(policy: PolicyConfig, why: string): StowageError {
  return new StowageError('unavailable', `Policy "${policy.id}" is not finished: ${why}.`, { retryable: true })
}
