import { prefixesOverlap, StowageError, toPrefix } from '@stowage/core'
import * as z from 'zod'
import { isPrefixPair, type PolicyConfig } from './policy-types.ts'
import { isTimeZone, parseEvery, parseSchedule } from './schedule.ts'

const bytes = z.number().int().nonnegative()
const text = z.string().min(1)

/** Fields that make sense for some policies only, and for which. */
const onlyFor: readonly [
  fields: readonly (keyof PolicyConfig)[],
  fits: (policy: PolicyConfig) => boolean,
  what: string,
][] = [
  [['schedule', 'overlap', 'missed'], ({ on }) => on === 'schedule', 'is for policies on "schedule"'],
  [['reconcile', 'debounceMs'], ({ on }) => on === 'event', 'is for policies on "event"'],
  [['tags'], (policy) => !isPrefixPair(policy) && policy.on !== 'event', 'is for policies over datasets'],
  [
    [
      'twoWay',
      'conflict',
      'delete',
      'maxDeletePercent',
      'maxDeleteCount',
      'include',
      'exclude',
      'minSize',
      'maxSize',
      'minAgeMs',
      'maxAgeMs',
    ],
    (policy) => isPrefixPair(policy),
    'is for policies over prefixes: datasets are replicated whole',
  ],
]

const fields = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'takes lower-case letters, digits, "-" and "_", 63 at most'),
  on: z.enum(['publish', 'event', 'schedule', 'manual'], { error: 'must be publish, event, schedule or manual' }),
  from: text,
  to: text,
  schedule: text.optional(),
  timeZone: z
    .string()
    .refine(isTimeZone, { error: 'is no time zone that is known here, such as Europe/Berlin' })
    .optional(),
  overlap: z.enum(['skip', 'queue']).optional(),
  missed: z.enum(['once', 'skip']).optional(),
  tags: z.array(z.string()).optional(),
  twoWay: z.boolean().optional(),
  conflict: z.enum(['newer', 'source', 'target', 'keep-both']).optional(),
  delete: z.boolean().optional(),
  maxDeletePercent: z.number().min(0).max(100).optional(),
  maxDeleteCount: z.number().int().min(0).optional(),
  include: z.array(text).optional(),
  exclude: z.array(text).optional(),
  minSize: bytes.optional(),
  maxSize: bytes.optional(),
  minAgeMs: bytes.optional(),
  maxAgeMs: bytes.optional(),
  priority: z.number().int().min(-100).max(100).optional(),
  reconcile: text.optional(),
  debounceMs: z.number().int().min(0).max(3_600_000).optional(),
  enabled: z.boolean().optional(),
})

/** One policy. */
export const policySchema: z.ZodType<unknown> = fields.superRefine((value, context) => {
  const policy = value as PolicyConfig
  const refuse = (field: keyof PolicyConfig, message: string): void =>
    context.addIssue({ code: 'custom', path: [field], message })
  for (const [names, fits, what] of onlyFor)
    for (const field of names) if (policy[field] !== undefined && !fits(policy)) refuse(field, what)
  checkPlaces(policy, refuse)
  checkTimes(policy, refuse)
  if (policy.conflict !== undefined && policy.twoWay !== true) refuse('conflict', 'goes with "twoWay"')
  for (const bound of ['minSize', 'maxSize', 'minAgeMs', 'maxAgeMs'] as const)
    if (policy.twoWay === true && policy[bound] !== undefined) refuse(bound, 'cannot go with "twoWay"')
  if ((policy.minSize ?? 0) > (policy.maxSize ?? Number.POSITIVE_INFINITY)) refuse('minSize', 'is above "maxSize"')
  if ((policy.minAgeMs ?? 0) > (policy.maxAgeMs ?? Number.POSITIVE_INFINITY)) refuse('minAgeMs', 'is above "maxAgeMs"')
})

type Refuse = (field: keyof PolicyConfig, message: string) => void

function checkPlaces(policy: PolicyConfig, refuse: Refuse): void {
  const { on, from, to } = policy
  const isPair = on === 'event' || (on !== 'publish' && (from.includes(':') || to.includes(':')))
  for (const field of ['from', 'to'] as const) {
    const colon = policy[field].indexOf(':')
    if (isPair && colon <= 0) refuse(field, 'must be a location, SOURCE_ID:PREFIX')
    if (!isPair && colon >= 0) refuse(field, 'must be the id of a source: versions of datasets are no prefixes')
  }
  if (from === to) refuse('to', 'is the same as "from"')
  else if (isPair && doOverlap(from, to)) refuse('to', 'and "from" overlap: neither may lie inside the other')
}

function doOverlap(...places: [string, string]): boolean {
  const [a, b] = places.map((place) => {
    const colon = place.indexOf(':')
    return { id: place.slice(0, colon), prefix: toPrefix(place.slice(colon + 1)) }
  })
  return a !== undefined && b !== undefined && a.id === b.id && prefixesOverlap(a.prefix, b.prefix)
}

function checkTimes({ on, schedule, timeZone, reconcile }: PolicyConfig, refuse: Refuse): void {
  if (on === 'schedule' && schedule === undefined) refuse('schedule', 'is needed for a policy on "schedule"')
  const every = reconcile === undefined ? undefined : parseEvery(reconcile)
  if (every !== undefined && !(every >= 60_000)) refuse('reconcile', 'must be a minute or more')
  const crons = { schedule, reconcile: every === undefined ? reconcile : undefined }
  for (const field of ['schedule', 'reconcile'] as const) {
    const cron = crons[field]
    if (cron === undefined || (timeZone !== undefined && !isTimeZone(timeZone))) continue
    try {
      parseSchedule(cron, timeZone)
    } catch (error) {
      const hint = field === 'reconcile' ? 'is neither a time such as 24h nor a cron expression: it ' : ''
      refuse(field, hint + (error instanceof Error ? error.message : String(error)))
    }
  }
  if (timeZone !== undefined && crons.schedule === undefined && crons.reconcile === undefined)
    refuse('timeZone', 'is for a schedule')
}

/** Checks a policy that is added at run time. @throws StowageError `invalid-request` naming the policy and the field */
export function checkPolicyFields(policy: PolicyConfig): void {
  const parsed = policySchema.safeParse(policy)
  if (parsed.success) return
  const [issue] = parsed.error.issues
  const unknown = issue?.code === 'unrecognized_keys'
  const field = unknown ? issue.keys.join(', ') : (issue?.path.map(String).join('.') ?? '')
  const what = unknown ? 'is no field of a policy' : (issue?.message ?? 'is wrong')
  throw new StowageError('invalid-request', `Policy "${policy.id}": ${field} ${what}.`, { field })
}
