import type { Actor, Clock, DatasetReplica, DatasetStore, Events, Random, SyncStore } from '@stowage/core'
import type { Decision, RouteRequest } from '@stowage/router'
import type { Sync } from '@stowage/sync'
import type { Caches } from '../cache/caches.ts'
import type { ReplicaReads } from '../cache/reads.ts'
import type { NodeConfig } from '../config/index.ts'
import type { Setbacks } from '../datasets/read/setbacks.ts'
import type { Sources } from '../sources/index.ts'

/** What the services of one Stowage share. */
export interface Context {
  readonly sources: Sources
  readonly catalog: DatasetStore
  readonly sync: Sync
  readonly caches: Caches
  /** Which replicas are read. */
  readonly reads: ReplicaReads
  /** Where what was begun is written down. */
  readonly records: SyncStore
  readonly events: Events
  readonly clock: Clock
  readonly random: Random
  /** Sources that were silent a moment ago. */
  readonly setbacks: Setbacks
  /** Machines that ask, by id. */
  readonly nodes: Readonly<Record<string, NodeConfig>>
  /** Decides with the rules in force and the world as it is now, and tells the event `route.decided`. */
  decide(request: RouteRequest, replicas?: readonly DatasetReplica[]): Promise<Decision>
}

/** Who an actor is, in records. */
export function authorOf(actor: Actor): string {
  return actor.userId ?? (actor.workspaceId === undefined ? 'local' : `workspace:${actor.workspaceId}`)
}
