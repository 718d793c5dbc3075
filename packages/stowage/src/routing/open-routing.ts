import type { Clock, Events, Random, SyncStore } from '@stowage/core'
import { compileRules, type RouteNode } from '@stowage/router'
import type { SilentCatalog } from '../app/silent-catalog.ts'
import type { NodeConfig, RoutingConfig } from '../config/index.ts'
import type { Sources } from '../sources/index.ts'
import { DecisionBatches } from './batches.ts'
import { DecisionLog, logDefaults } from './decision-log.ts'
import { Routing } from './routing.ts'
import { RuleSets } from './rule-sets.ts'
import { RulesInForce } from './rules-in-force.ts'

/** Regions of which no distance is known are this far apart. */
const defaultDistance = 1000

/**
 * Makes the routing of one Stowage.
 * @throws StowageError `configuration` for rules of the configuration or of its file that are wrong
 */
export async function openRouting(
  config: RoutingConfig,
  parts: {
    sources: Sources
    records: SyncStore
    events: Events
    clock: Clock
    random: Random
    rooms: () => Promise<ReadonlyMap<string, number>>
    silence: SilentCatalog
  },
): Promise<{ routing: Routing; close: () => Promise<void> }> {
  const { sources, records, events, clock, random, rooms, silence } = parts
  const { rules: own, defaults, panic, rulesFile, regions, nodes, log: logging } = config
  const settings = { ...logDefaults, ...logging }
  const sets = new RuleSets(records)
  const batches = new DecisionBatches(records)
  const set = compileRules({
    rules: own ?? [],
    ...(defaults === undefined ? {} : { defaults }),
    ...(panic === undefined ? {} : { panic }),
  })
  const rules = new RulesInForce({
    own: set,
    sets,
    clock,
    events,
    silence,
    ...(rulesFile === undefined ? {} : { file: rulesFile }),
  })
  await rules.open()
  const log = new DecisionLog({ clock, events, batches, sets, redactor: () => sources.redactor, settings })
  const routing = new Routing({
    sources,
    rules,
    sets,
    log,
    batches,
    events,
    clock,
    random,
    regions: { distances: regions?.distances ?? {}, default: regions?.default ?? defaultDistance },
    nodes: Object.fromEntries(Object.entries(nodes ?? {}).map(([id, node]) => [id, routeNodeOf(node)])),
    rooms,
    traces: settings.traces,
  })
  return { routing, close: () => log.flush() }
}

function routeNodeOf({ mounts, ...node }: NodeConfig): RouteNode {
  if (mounts === undefined) return node
  return { ...node, mounts: Array.isArray(mounts) ? mounts : Object.keys(mounts) }
}
