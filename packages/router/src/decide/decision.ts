import type { UserType } from '@stowage/core'
import type { RoutePurpose } from '../request.ts'

/** The named filters, in the order in which they are asked. */
export const filterNames = [
  'excluded',
  'enabled',
  'healthy',
  'permitted',
  'residency',
  'replica',
  'writable',
  'room',
  'capability',
  'rule',
] as const

/** One of {@link filterNames}. */
export type FilterName = (typeof filterNames)[number]

/** Why a source is no candidate: the first filter that it did not pass. */
export interface Drop {
  sourceId: string
  filter: FilterName
  reason: string
  /** The rule that dropped it, where a rule did. */
  ruleId?: string
}

/** What candidates are compared by. Of every component smaller is better. */
export interface CostVector {
  /** 1 when it passes this request on to other tiers, or is too busy; see `Spill`. */
  spill: number
  /** How many candidates the rules with `prefer` put before it. */
  preference: number
  /** Health tier, 0 for healthy. */
  health: number
  /** 0 for the source that the session stays with, 1 for others. */
  session: number
  /** From the actor's or node's region; -1 for a source that is mounted on the node. */
  distance: number
  /** How many candidates the rules with `tieBreak` put before it. */
  tieBreak: number
  /** The source's own priority. */
  priority: number
  /** Latency in coarse steps: 0 below 25 ms, then one more for every factor of 4. */
  latency: number
  /** What a gigabyte costs: read, for reads and repairs; kept, for writes and backups. */
  cost: number
  /** Where rules choose between two: 0 for the less busy, 1 for the other, 2 for those not drawn. Else 0. */
  load: number
  /** Where weighted rendezvous hashing puts it: stable for one dataset, shared by weight over many. */
  share: number
}

/** The name of a component of the {@link CostVector}. */
export type ComponentName = keyof CostVector

/** Why a candidate comes after the first one. */
export interface Loss {
  /** The first component in which they differ; `id` when none does. */
  component: ComponentName | 'id'
  /** The rule that made the difference, where a rule did. */
  ruleId?: string
}

/** A source that may be used. */
export interface Candidate {
  sourceId: string
  /** From 1. */
  rank: number
  vector: CostVector
  /** Why it is not the first; absent for the first. */
  lost?: Loss
  /** What speaks for it, and against, for people to read. */
  reasons: string[]
}

/** The question, in short. */
export interface RequestSummary {
  purpose: RoutePurpose
  userType: UserType
  userId?: string
  workspaceId?: string
  region?: string
  node?: string
  datasetId?: string
  /** For a read: the version that replicas were looked for. */
  version?: number
}

/** An ordered, explained choice. Plain data: it can be printed, logged and replayed. */
export interface Decision {
  /** Best first. Empty when no source can serve the request. */
  candidates: Candidate[]
  dropped: Drop[]
  /** The rules that applied, in the order in which they count. */
  ruleIds: string[]
  ruleSetHash: string
  /** No healthy source was left, so the candidates are unhealthy ones. What they return must be checked against its digest. */
  panic: boolean
  /** Components in the order in which they were compared. */
  order: readonly ComponentName[]
  request: RequestSummary
  /** When it was made, in milliseconds since the epoch. */
  at: number
}
