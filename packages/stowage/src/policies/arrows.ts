import { toPrefix } from '@stowage/core'
import { keyFilter } from '@stowage/sync'
import { isPrefixPair, type PolicyConfig } from '../config/index.ts'

/** Where an object lies; with the key of a folder, a place that policies lead between. */
export interface Place {
  sourceId: string
  key: string
}

/** One direction of a policy over prefixes. */
export interface Arrow {
  policyId: string
  from: Place
  to: Place
  carriesDeletes: boolean
  isTwoWay: boolean
  /** Whether it is about a key, relative to its prefixes. */
  isAbout: (key: string) => boolean
  /** Keys that it is about, relative to its prefixes: one for each thing that it includes. */
  samples: readonly string[]
}

/** Places that an object is followed to, at most: with some policies its key grows at each round. */
export const mostPlaces = 1000

/** The directions in which policies lead; those over datasets have none. */
export function arrowsOf(policies: readonly PolicyConfig[]): Arrow[] {
  return policies.filter(isPrefixPair).flatMap((policy) => {
    const [from, to] = [placeOf(policy.from), placeOf(policy.to)]
    const isTwoWay = policy.twoWay === true
    const isAbout = keyFilter(policy.include, policy.exclude)
    const samples = samplesOf(policy.include).filter(isAbout)
    const carriesDeletes = policy.delete ?? isTwoWay
    const there = { policyId: policy.id, from, to, carriesDeletes, isTwoWay, isAbout, samples }
    return isTwoWay ? [there, { ...there, from: to, to: from }] : [there]
  })
}

/** Whether two places hold objects in common. */
export function touch(a: Place, b: Place): boolean {
  return a.sourceId === b.sourceId && (a.key.startsWith(b.key) || b.key.startsWith(a.key))
}

/** Whether both write the same object in some place, as far as samples tell; not when both only bring it from the same place. */
export function collide(a: Arrow, b: Arrow): boolean {
  return writesAmong(a, b) || writesAmong(b, a)
}

function writesAmong(one: Arrow, other: Arrow): boolean {
  return one.samples.some((sample) => {
    const { key } = below(one.to, sample)
    if (one.to.sourceId !== other.to.sourceId || !key.startsWith(other.to.key)) return false
    const rest = key.slice(other.to.key.length)
    const bothWays = one.isTwoWay || other.isTwoWay
    const isOneObject = !bothWays && isSame(below(one.from, sample), below(other.from, rest))
    return rest !== '' && other.isAbout(rest) && !isOneObject
  })
}

/** The policies beside one that act, by themselves or when they are asked to. One whose globs make no sense only fails by itself. */
export function othersThan(policy: PolicyConfig, all: readonly PolicyConfig[]): PolicyConfig[] {
  return all.filter((other) => other.id !== policy.id && other.enabled !== false && hasFilter(other))
}

function hasFilter(policy: PolicyConfig): boolean {
  try {
    if (isPrefixPair(policy)) keyFilter(policy.include, policy.exclude)
    return true
  } catch {
    return false
  }
}

/** Where an arrow brings an object; `undefined` when it is not about it. */
export function carried({ from, to, isAbout }: Arrow, { sourceId, key }: Place): Place | undefined {
  if (from.sourceId !== sourceId || !key.startsWith(from.key)) return undefined
  const rest = key.slice(from.key.length)
  return rest !== '' && isAbout(rest) ? below(to, rest) : undefined
}

/** The policies of a way that leads from one place to another; `undefined` when there is none. */
export function wayBetween(start: Place, end: Place, arrows: readonly Arrow[]): string[] | undefined {
  const open: { at: Place; path: string[] }[] = [{ at: start, path: [] }]
  const seen = new Set<string>()
  for (let next = open.shift(); next !== undefined && seen.size < mostPlaces; next = open.shift()) {
    const { at, path } = next
    if (isSame(at, end)) return path
    for (const arrow of arrows) {
      const to = carried(arrow, at)
      const name = `${to?.sourceId}:${to?.key}`
      if (to === undefined || seen.has(name)) continue
      seen.add(name)
      open.push({ at: to, path: [...path, arrow.policyId] })
    }
  }
  return undefined
}

export function below({ sourceId, key }: Place, rest: string): Place {
  return { sourceId, key: key + rest }
}

export function isSame(a: Place, b: Place): boolean {
  return a.sourceId === b.sourceId && a.key === b.key
}

/** For each glob a key that it may mean. */
function samplesOf(include: readonly string[] | undefined): string[] {
  if (include === undefined || include.length === 0) return ['key']
  return include.map((glob) =>
    (glob.endsWith('/') ? `${glob}key` : glob)
      .replace(/^\//, '')
      .replace(/\{([^,{}]*)[^{}]*\}/g, '$1')
      .replace(/\[([^\]])[^\]]*\]/g, '$1')
      .replace(/\*+/g, 'key')
      .replace(/\?/g, 'k'),
  )
}

function placeOf(text: string): Place {
  const colon = text.indexOf(':')
  return { sourceId: text.slice(0, colon), key: toPrefix(text.slice(colon + 1)) }
}
