import { StowageError } from '@stowage/core'
import type { PolicyConfig } from '../config/index.ts'
import {
  type Arrow,
  arrowsOf,
  below,
  carried,
  collide,
  isSame,
  mostPlaces,
  othersThan,
  type Place,
  touch,
  wayBetween,
} from './arrows.ts'

/** Rounds after which a key that has grown at each is taken to grow for ever. */
const rounds = 4

/** A policy, and since when it acts. */
interface Since {
  config: PolicyConfig
  since: number
}

/** Whether another policy writes to the target of a policy too, or carries what is there back to its source. */
export function isShared(policy: PolicyConfig, all: readonly PolicyConfig[]): boolean {
  const others = arrowsOf(othersThan(policy, all))
  const isBack = (own: Arrow, { from, to }: Arrow): boolean => touch(own.to, from) && touch(own.from, to)
  return arrowsOf([policy]).some((own) => others.some((other) => touch(own.to, other.to) || isBack(own, other)))
}

/**
 * Refuses to run a policy whose work, with that of others, need not come to an end. Of such policies those that were there first run.
 * @throws StowageError `unsafe` that names the policies
 */
export function refuseEndless(policy: PolicyConfig, all: readonly Since[]): void {
  const configs = all.map(({ config }) => config)
  if (endlessness(policy, configs) === undefined) return
  const before: PolicyConfig[] = []
  // The sort is stable: of those of the configuration, the first ones count.
  for (const { config } of [...all].sort((a, b) => a.since - b.since)) {
    if (config.id === policy.id) break
    if (config.enabled !== false && endlessness(config, before) === undefined) before.push(config)
  }
  refuseNewEndless({ ...policy, enabled: true }, before)
}

/**
 * Refuses a policy that is added to others.
 * @throws StowageError `unsafe` that names the policies
 */
export function refuseNewEndless(policy: PolicyConfig, all: readonly PolicyConfig[]): void {
  const error = policy.enabled === false ? undefined : endlessness(policy, all)
  if (error !== undefined) throw error
}

/** Refuses policies of a configuration. @throws StowageError `configuration` with the place of the first that may not stand beside those before it */
export function refuseEndlessConfig(policies: readonly PolicyConfig[]): void {
  for (const [i, policy] of policies.entries()) {
    const error = policy.enabled === false ? undefined : endlessness(policy, policies.slice(0, i))
    if (error === undefined) continue
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    throw new StowageError('configuration', error.message, {
      cause: error,
      field: `policies[${i}].${error.field}`,
      ...hint,
    })
  }
}

/** Why the work of a policy beside others need not come to an end. */
function endlessness(policy: PolicyConfig, all: readonly PolicyConfig[]): StowageError | undefined {
  const others = arrowsOf(othersThan(policy, all))
  for (const own of arrowsOf([policy])) {
    const error = growth(own, others) ?? ring(own, others) ?? deletes(own, others)
    if (error !== undefined) return error
  }
  return undefined
}

/** Where a key comes back to where it was read under a longer name, as by `a:` to `b:x` and `b:` to `a:`, each round makes another object. */
function growth(own: Arrow, others: readonly Arrow[]): StowageError | undefined {
  for (const sample of sampleKeys(own, others)) {
    const error = growthOf(sample, own, others)
    if (error !== undefined) return error
  }
  return undefined
}

function growthOf(sample: string, own: Arrow, others: readonly Arrow[]): StowageError | undefined {
  const first = below(own.from, sample)
  const open: { at: typeof first; times: number; path: string[] }[] = [{ at: first, times: 0, path: [] }]
  const seen = new Set<string>()
  for (let next = open.pop(); next !== undefined && seen.size < mostPlaces; next = open.pop()) {
    const { at, times, path } = next
    for (const arrow of [...others, own]) {
      const to = carried(arrow, at)
      const name = `${to?.sourceId}:${to?.key}`
      if (to === undefined || seen.has(name)) continue
      const again = arrow === own ? times + 1 : times
      if (again > rounds && at.key.length >= first.key.length + rounds) {
        return refused(
          own,
          'to',
          `would bring objects round for ever, at each round under a longer key: ${named(path)}`,
          {
            hint: 'Let each policy of the round write to the folder that the next one reads, or leave that folder out with "exclude".',
          },
        )
      }
      seen.add(name)
      open.push({ at: to, times: again, path: [...path, arrow.policyId] })
    }
  }
  return undefined
}

/**
 * Others lead through a third place from the target back to the source. Two versions of a key that were written in two of the places can follow
 * each other round for ever then; between two places, one run makes both the same.
 */
function ring(own: Arrow, others: readonly Arrow[]): StowageError | undefined {
  for (const key of sampleKeys(own, others)) {
    const [start, end] = [below(own.to, key), below(own.from, key)]
    const path = wayBetween(
      start,
      end,
      others.filter((arrow) => !isDirect(arrow, start, end)),
    )
    if (path === undefined) continue
    const ids = named([own.policyId, ...path])
    return refused(
      own,
      'to',
      `would close a ring of three places or more, in which versions may go round for ever: ${ids}`,
      {
        hint: 'Leave out the policy that closes the ring, and give neighbours one "twoWay" policy each: then every change comes everywhere.',
      },
    )
  }
  return undefined
}

function isDirect(arrow: Arrow, start: Place, end: Place): boolean {
  const to = carried(arrow, start)
  return to !== undefined && isSame(to, end)
}

/** Keys that a policy is about, of which at least one lies in each folder that others read, whatever folder they come from. */
function sampleKeys(own: Arrow, others: readonly Arrow[]): Set<string> {
  const keys = new Set(own.samples)
  for (const { from, samples } of others) {
    const folders = from.key.split('/').slice(0, -1)
    for (const sample of [...samples, ...own.samples]) {
      keys.add(sample)
      for (const i of folders.keys()) keys.add(`${folders.slice(i).join('/')}/${sample}`)
    }
  }
  return new Set([...keys].filter(own.isAbout))
}

/** What another policy wrote there is not in this one's source: it would be deleted and copied again for ever. */
function deletes(own: Arrow, others: readonly Arrow[]): StowageError | undefined {
  // A two-way policy deletes only what it knows from before.
  const isDeleter = ({ carriesDeletes, isTwoWay }: Arrow): boolean => carriesDeletes && !isTwoWay
  const other = others.find((one) => (isDeleter(own) || isDeleter(one)) && collide(own, one))
  if (other === undefined) return undefined
  const [deleter, writer] = isDeleter(own) ? [own, other] : [other, own]
  const what = `cannot stand beside "${other.policyId}": "${deleter.policyId}" would delete what "${writer.policyId}" writes to the same place`
  return refused(own, isDeleter(own) ? 'delete' : 'to', what, {
    hint: 'Give each policy a folder of its own, or leave "delete" out.',
  })
}

function refused(own: Arrow, field: string, what: string, { hint }: { hint: string }): StowageError {
  return new StowageError('unsafe', `Policy "${own.policyId}" ${what}.`, { field, hint })
}

function named(ids: readonly string[]): string {
  return [...new Set(ids)].map((id) => `"${id}"`).join(', ')
}
