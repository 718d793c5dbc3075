import type { SourceType, UserType } from '@stowage/core'
import type { RoutePurpose } from '../request.ts'

/** One value or several, of which one must fit. */
export type OneOrMore<T> = T | readonly T[]

/** When a rule applies. All fields that are given must hold; an empty condition always does. */
export interface Condition {
  purpose?: OneOrMore<RoutePurpose>
  userType?: OneOrMore<UserType>
  userId?: OneOrMore<string>
  workspaceId?: OneOrMore<string>
  /** The actor's region; `null` for an actor whose region is not known. */
  region?: OneOrMore<string | null>
  /** The node that asks, by id. */
  node?: OneOrMore<string>
  /** Labels of the node that asks. */
  nodeLabels?: Readonly<Record<string, OneOrMore<string>>>
  datasetId?: OneOrMore<string>
  /** A tag that the dataset has. */
  tag?: OneOrMore<string>
  /** Smallest size, in bytes. A request of unknown size does not fit. */
  minSize?: number
  /** Largest size, in bytes. A request of unknown size does not fit. */
  maxSize?: number
  /** Sources that the rule speaks of; for all others it is as if it were not there. A rule that speaks of none does not apply. */
  source?: SourceMatch
  all?: readonly Condition[]
  any?: readonly Condition[]
  not?: Condition
}

/** Which sources are meant. All fields that are given must hold. */
export interface SourceMatch {
  id?: OneOrMore<string>
  type?: OneOrMore<SourceType>
  region?: OneOrMore<string>
  isPublic?: boolean
  /** True: in the region of the actor or node. False: elsewhere. */
  sameRegion?: boolean
  labels?: Readonly<Record<string, OneOrMore<string>>>
  all?: readonly SourceMatch[]
  any?: readonly SourceMatch[]
  not?: SourceMatch
}

/** Sources by id, in order of preference, or by what they are. */
export type SourceSelector = string | readonly string[] | SourceMatch

/** What a rule does. */
export interface Effect {
  /** These come before all others, whatever else speaks for them; of a list of ids, earlier ones first. */
  prefer?: SourceSelector
  /** These come before others that are as near (reads), or as near and of the same priority (writes). */
  tieBreak?: SourceSelector
  /** Only these. */
  require?: SourceSelector
  /** Not these. */
  exclude?: SourceSelector
  /** External users may use these, though they are not public. */
  permit?: SourceSelector
  /** Weights to share by instead of the sources' own. 0: after all others of equal standing. */
  weight?: Readonly<Record<string, number>>
  /** Only sources in these regions: the data must not leave them. Of several rules, each must allow a source. */
  residency?: OneOrMore<string>
  /** When sources of a tier pass requests on to the next one. Of several rules, the one that counts most decides. */
  spill?: Spill
  /**
   * How sources of equal standing share: `stable` by weighted rendezvous hashing, so that one dataset keeps its source; `two` draws two of
   * them for each request and takes the one that is less busy for its weight. Of several rules, the one that counts most decides.
   */
  choose?: 'stable' | 'two'
}

/**
 * When sources are passed over for others that may serve, whatever speaks for them otherwise. A tier is what stands equal in preference,
 * distance and priority.
 */
export interface Spill {
  /**
   * Part of a tier's weight, above 0 and up to 1. While less of it is healthy, what is missing of this part goes to other tiers: with 0.8, a
   * tier that is half healthy keeps 5/8 of its keys.
   */
  healthy?: number
  /** A source that is at least so busy, by the `load` of the world, takes nothing more while others can. */
  load?: number
}

/** One rule. Rules are data: they come from a configuration or a database and are compiled by `compileRules`. */
export interface Rule {
  id: string
  /** A smaller number is looked at first, and what it prefers counts for more. @defaultValue 100 */
  priority?: number
  /** @defaultValue true */
  enabled?: boolean
  /** @defaultValue always */
  when?: Condition
  then: Effect
}

/** Everything that can be set about routing. */
export interface RoutingOptions {
  rules?: readonly Rule[]
  /** Whether `defaultRules` apply too. A rule of the same id takes the place of a default one. @defaultValue true */
  defaults?: boolean
  /** Whether reads may try unhealthy sources when no healthy one is left. Writes never do. @defaultValue 'reads' */
  panic?: 'reads' | 'never'
}
