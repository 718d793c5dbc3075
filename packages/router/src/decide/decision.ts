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
}

/** What candidates are compared by. Of every component smaller is better. */
export interface CostVector {
  /** Place in what each rule with `prefer` prefers, the rule that counts most first. */
  preference: readonly number[]
  /** Health tier, 0 for healthy. */
  health: number
  /** From the actor's region. */
  distance: number
  /** Place in what each rule with `tieBreak` selects. */
  tieBreak: readonly number[]
  /** The source's own priority. */
  priority: number
  /** Latency in coarse steps: 0 below 25 ms, then one more for every factor of 4. */
  latency: number
  /** Cost of a gigabyte. */
  cost: number
  /** Where weighted rendezvous hashing puts it: stable for one dataset, shared by weight over many. */
  share: number
}

/** The name of a component of the {@link CostVector}. */
export type ComponentName = keyof CostVector

/** A source that may be used. */
export interface Candidate {
  sourceId: string
  /** From 1. */
  rank: number
  vector: CostVector
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
