import type { Actor } from '@stowage/core'

/**
 * What a source is wanted for: `read` hands bytes to the actor, `write` takes an upload, `backup` takes one more copy of what is
 * elsewhere, `repair` gives bytes to mend another copy. The last two are Stowage's own work, so what the actor may see does not matter.
 */
export type RoutePurpose = 'read' | 'write' | 'backup' | 'repair'

/** Every {@link RoutePurpose}. */
export const routePurposes: readonly RoutePurpose[] = ['read', 'write', 'backup', 'repair']

/** A question to the router. Plain data. */
export interface RouteRequest {
  purpose: RoutePurpose
  actor: Actor
  /** The node that asks, by its id in the world's `nodes`. Its region counts when the actor names none. */
  node?: string
  datasetId?: string
  /** @defaultValue the newest version among the replicas of the world */
  version?: number
  /** Tags of the dataset. */
  tags?: readonly string[]
  /** Bytes to be read or written, when known. */
  size?: number
  /** Sources not to be used, such as those that just failed. */
  excludeSources?: readonly string[]
  /** Capabilities the source must have, by the names that its `capabilities` list. */
  requires?: readonly string[]
  /** Regions the data must not leave; a source that names no region is outside. */
  residency?: readonly string[]
  /** The source that this session has used so far; it stays first unless a rule, health or a filter speaks against it. */
  stayWith?: string
  /**
   * Who reads, where many act as one user: a source on trial admits a part of the readers of a dataset, each reader always or never.
   * @defaultValue the readers of a dataset are one
   */
  reader?: string
  /** From 0 to below 1, drawn anew for each request: where rules choose between `two`, it says which two. @defaultValue 0 */
  draw?: number
  /**
   * Whether what a read gives is checked against its digest. What is not checked is never read from an unhealthy source.
   * @defaultValue true
   */
  checked?: boolean
}
