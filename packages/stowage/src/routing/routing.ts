import { type Clock, type DatasetReplica, type Events, type Random, StowageError } from '@stowage/core'
import {
  compileRules,
  type Decision,
  type DecisionRecord,
  type DryRun,
  decide,
  dryRun,
  type ParsedRouting,
  type Regions,
  type Replay,
  type RouteNode,
  type RouteRequest,
  type RouteSource,
  recordOf,
  replay,
  ruleSetData,
  type World,
} from '@stowage/router'
import type { Sources } from '../sources/index.ts'
import type { DecisionBatches } from './batches.ts'
import type { DecisionCounters, DecisionLog } from './decision-log.ts'
import type { RuleSets } from './rule-sets.ts'
import type { RulesInForce, RulesOrigin } from './rules-in-force.ts'

/** What {@link Routing} is made of. */
export interface RoutingParts {
  sources: Sources
  rules: RulesInForce
  sets: RuleSets
  log: DecisionLog
  batches: DecisionBatches
  events: Events
  clock: Clock
  random: Random
  regions: Regions
  nodes: Readonly<Record<string, RouteNode>>
  /** Bytes that may still be written to sources that have a bound. */
  rooms: () => Promise<ReadonlyMap<string, number>>
  /** Part of the decisions that are kept with all vectors and reasons. */
  traces: number
}

/** Decides where data is read from and written to, by rules that can be changed while this runs, and remembers what was decided. */
export class Routing {
  readonly #parts: RoutingParts
  /** Tells this process from others that act as the same user. */
  readonly #reader: string

  constructor(parts: RoutingParts) {
    this.#parts = parts
    this.#reader = parts.random.id(parts.clock.now())
  }

  /**
   * Decides with the rules in force and the world as it is now, and tells the event `route.decided`.
   *
   * @param options.trace keep the decision with all vectors and reasons
   */
  async decide(
    request: RouteRequest,
    replicas?: readonly DatasetReplica[],
    options: { trace?: boolean } = {},
  ): Promise<Decision & { id: string }> {
    const { sources, rules, log, events, clock, random, regions, nodes, traces } = this.#parts
    await Promise.all([sources.fresh(), rules.fresh(), sources.freshHealth()])
    const { set } = rules
    const among = await this.#sources(request)
    const now = clock.now()
    const health = sources.health()
    const load = sources.load()
    const drawn = set.rules.some(({ then }) => then.choose === 'two')
    const onTrial = Object.values(health).some(({ admit = 1 }) => admit < 1)
    const asked: RouteRequest = {
      ...(drawn ? { draw: random.next() } : {}),
      ...(onTrial ? { reader: this.#reader } : {}),
      ...request,
    }
    const world: World = {
      sources: among,
      health,
      ...(Object.keys(load).length === 0 ? {} : { load }),
      regions,
      nodes,
      now,
      ...(replicas === undefined ? {} : { replicas }),
    }
    const decision = decide(set, asked, world)
    const id = random.id(now)
    const trace = options.trace ?? (traces > 0 && random.next() < traces)
    log.add(recordOf(id, decision, asked, world, { trace }), set)
    events.emit('route.decided', {
      purpose: request.purpose,
      ...(request.datasetId === undefined ? {} : { datasetId: request.datasetId }),
      candidates: decision.candidates.map((candidate) => candidate.sourceId),
      dropped: decision.dropped.map(({ sourceId, filter, reason }) => ({ sourceId, filter, reason })),
      ruleIds: decision.ruleIds,
      ruleSetHash: decision.ruleSetHash,
    })
    return { ...decision, id }
  }

  async #sources({ purpose }: RouteRequest): Promise<RouteSource[]> {
    const all = this.#parts.sources.routeSources()
    if (purpose !== 'write' && purpose !== 'backup') return all
    const rooms = await this.#parts.rooms()
    if (rooms.size === 0) return all
    return all.map((source) => {
      const room = rooms.get(source.id)
      return room === undefined ? source : { ...source, room }
    })
  }

  /** The rules in force, those that hold by default included, and where they come from. */
  async rules(): Promise<ParsedRouting & { hash: string; origin: RulesOrigin }> {
    const { rules } = this.#parts
    await rules.fresh(true)
    return { ...ruleSetData(rules.set), hash: rules.set.hash, origin: rules.origin }
  }

  /**
   * Puts other rules in force: here at once, in every other process on this catalog within a second. They take the place of those of the
   * configuration, until `resetRules`.
   *
   * @param rules a list of rules, or `RoutingOptions` of `@stowage/router`
   * @returns the hash of the set
   * @throws StowageError `configuration` naming rule and field when they are wrong, or when the rules come from a file; nothing changes then
   * @example
   * ```ts
   * await stowage.routing.setRules([{ id: 'gpu-a', when: { region: 'cn-sz' }, then: { prefer: ['lan'] } }])
   * ```
   */
  async setRules(rules: unknown): Promise<string> {
    this.#parts.rules.assertEditable()
    const set = compileRules(rules)
    await this.#parts.sets.put(set)
    await this.#parts.rules.fresh(true)
    return set.hash
  }

  /** Goes by the rules of the configuration again. @throws StowageError `configuration` when the rules come from a file */
  async resetRules(): Promise<void> {
    this.#parts.rules.assertEditable()
    await this.#parts.sets.remove()
    await this.#parts.rules.fresh(true)
  }

  /**
   * Asks what other rules would have changed in decisions that were recorded, the newest of them.
   *
   * @param options.limit decisions to look at. @defaultValue 10000
   * @throws StowageError `configuration` naming rule and field when the rules are wrong
   */
  async dryRun(rules: unknown, options: { limit?: number } = {}): Promise<DryRun> {
    const set = compileRules(rules)
    return dryRun(set, await this.decisions(options))
  }

  /** Recorded decisions, the newest first. @param options.limit @defaultValue 10000 */
  async decisions({ limit = 10_000 }: { limit?: number } = {}): Promise<DecisionRecord[]> {
    const { log, batches } = this.#parts
    await log.flush()
    const records = new Map<string, DecisionRecord>()
    for (const record of log.recent()) records.set(record.id, record)
    for await (const record of batches.newest()) {
      if (records.size >= limit) break
      records.set(record.id, record)
    }
    return [...records.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit)
  }

  /**
   * Makes a recorded decision once more, from what it was made from, by the rules of then.
   * @throws StowageError `not-found` when it is not recorded, or not any more
   */
  async replay(id: string): Promise<Replay & { record: DecisionRecord }> {
    const { log, batches, sets } = this.#parts
    await log.flush()
    const record = log.recent().find((each) => each.id === id) ?? (await batches.find(id))
    if (record === undefined) {
      throw new StowageError('not-found', `There is no recorded decision "${id}".`, {
        hint: 'Decisions are kept for the days that routing.log.days says.',
      })
    }
    return { ...replay(await sets.byHash(record.ruleSetHash), record), record }
  }

  /** What was decided since this process began. */
  get counters(): Readonly<DecisionCounters> {
    return this.#parts.log.counters
  }
}
