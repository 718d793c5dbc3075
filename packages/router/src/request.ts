import type { Actor } from '@stowage/core'

/**
 * What a source is wanted for: `read` hands bytes to the actor, `write` takes an upload, `backup` takes one more copy of what is
 * elsewhere, `repair` gives bytes to mend another copy. The last two are Stowage's own work, so what the actor may see does not matter.
 */
export type RoutePurpose = 'read' | 'write' | 'backup' | 'repair'

/** Every {@link RoutePurpose}. */
export const routePurposes: readonly RoutePurpose[] = ['read', 'write', 'backup', 'repair']

/** A question to the router. */
export interface RouteRequest {
  purpose: RoutePurpose
  actor: Actor
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
}
