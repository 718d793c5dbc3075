import { createHash } from 'node:crypto'
import { StowageError, toPrefix } from '@stowage/core'
import type { Lease } from '@stowage/sync'
import { isPrefixPair, type PolicyConfig } from '../config/index.ts'
import { isLeased, type Leased } from '../records/index.ts'
import { policyKeys } from './policy-records.ts'
import type { Records } from './records.ts'

/** Whose turn it is in a ring. */
export interface Turn extends Leased {
  policyId: string
  /** Who wants it: since when, and when they asked last. By the store's clock. */
  waiting?: Record<string, { since: number; askedAt: number }>
}

/** Who has not asked for the turn for so long is not waited for, in milliseconds: longer than the queue waits between two tries. */
const asksMs = 20_000

/** Who has waited for the turn only for a moment asks again soon: most looks at a few keys are short. In milliseconds. */
const soonestMs = 250

/** Whether a policy writes to where another reads. */
export function writesTo(writer: PolicyConfig, reader: PolicyConfig): boolean {
  if (writer.id === reader.id || writer.enabled === false || !isPrefixPair(writer) || !isPrefixPair(reader))
    return false
  const targets = writer.twoWay === true ? [writer.to, writer.from] : [writer.to]
  const sources = reader.twoWay === true ? [reader.to, reader.from] : [reader.from]
  return targets.some((target) => sources.some((source) => overlap(target, source)))
}

/** The ids of the policies that carry on what this one writes until it comes back to where this one reads, and its own; in order. */
export function ringOf(policy: PolicyConfig, all: readonly PolicyConfig[]): string[] {
  const others = all.filter(({ id }) => id !== policy.id)
  // One that is off and is run by hand writes too.
  const own = { ...policy, enabled: true }
  const after = reached(own, others, (from, to) => writesTo(from, to))
  const before = reached(own, others, (from, to) => writesTo(to, from))
  const ring = others.filter((other) => after.has(other) && before.has(other))
  return ring.length === 0 ? [] : [policy, ...ring].map(({ id }) => id).sort()
}

/**
 * Takes the turn of a policy in its ring. Of policies that each write to where the other reads, two that ran at the same time would exchange what
 * both sides have of a key, and do so again and again; one after the other they find the same on both sides. Looks at everything, which may take
 * hours, and looks at a few keys have turns of their own: a look at everything passes a key once, so they exchange nothing for ever.
 *
 * Nobody waits here, so nobody holds anything meanwhile: who does not get the turn comes again. It goes to who has asked for it longest.
 * @returns `undefined` for a policy that is in no ring
 * @throws StowageError `lease-held`, naming the policy whose turn it is
 */
export async function takeTurn(
  records: Records,
  policy: PolicyConfig,
  all: readonly PolicyConfig[],
  options: { isWhole: boolean; signal: AbortSignal },
): Promise<Lease<Turn> | undefined> {
  const ring = ringOf(policy, all)
  if (ring.length === 0) return undefined
  const { isWhole, signal } = options
  const name = createHash('sha256').update(ring.join(' ')).digest('hex').slice(0, 16)
  const key = `${policyKeys.ring}${name}/${isWhole ? 'all' : 'keys'}`
  const { id } = policy
  const choose = (before: Turn | undefined, now: number): Turn | undefined => {
    const { [id]: mine, ...others } = waitingOf(before, now)
    const isFirst = Object.values(others).every(({ since }) => since >= (mine?.since ?? now))
    return isFirst ? { ...before, policyId: id, waiting: others } : undefined
  }
  const lease = await records.take<Turn>(key, `the turn of the policy "${id}"`, choose, signal)
  if (lease !== undefined) return lease
  const now = await records.now(signal)
  const turn = await records.change<Turn>(
    key,
    (before) => {
      const waiting = waitingOf(before, now)
      const mine = { since: waiting[id]?.since ?? now, askedAt: now }
      return { policyId: id, ...before, waiting: { ...waiting, [id]: mine } }
    },
    signal,
  )
  const first = Object.entries(turn?.waiting ?? {}).sort(([, a], [, b]) => a.since - b.since)[0]?.[0]
  const other = isLeased(turn, now) ? turn?.policyId : first
  const others = other === undefined || other === id ? ring.filter((one) => one !== id) : [other]
  throw new StowageError('lease-held', `Policy "${id}" waits for ${others.map((id) => `"${id}"`).join(', ')}.`, {
    // The longer it has waited, the longer those of others seem to last.
    retryAfterMs: Math.max(soonestMs, (now - (turn?.waiting?.[id]?.since ?? now)) / 2),
    hint: 'Each writes to where the other reads, so they run one after the other. "twoWay" does both in one policy.',
  })
}

/** Who still wants the turn. */
function waitingOf(turn: Turn | undefined, now: number): NonNullable<Turn['waiting']> {
  const all = Object.entries(turn?.waiting ?? {})
  // A time that lies ahead is of a clock that was wrong.
  return Object.fromEntries(all.filter(([, { askedAt }]) => askedAt <= now && askedAt > now - asksMs))
}

function reached(
  start: PolicyConfig,
  all: readonly PolicyConfig[],
  leadsTo: (from: PolicyConfig, to: PolicyConfig) => boolean,
): Set<PolicyConfig> {
  const found = new Set<PolicyConfig>()
  const open = [start]
  for (let from = open.pop(); from !== undefined; from = open.pop()) {
    for (const to of all) {
      if (found.has(to) || !leadsTo(from, to)) continue
      found.add(to)
      open.push(to)
    }
  }
  return found
}

function overlap(a: string, b: string): boolean {
  const [x, y] = [a, b].map((text) => {
    const colon = text.indexOf(':')
    return { id: text.slice(0, colon), prefix: toPrefix(text.slice(colon + 1)) }
  })
  if (x === undefined || y === undefined || x.id !== y.id) return false
  return x.prefix.startsWith(y.prefix) || y.prefix.startsWith(x.prefix)
}
