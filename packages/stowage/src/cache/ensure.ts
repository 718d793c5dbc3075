import {
  type Actor,
  type DatasetReplica,
  type DatasetVersion,
  hasCode,
  StowageError,
  type SyncProgress,
  toStowageError,
} from '@stowage/core'
import type { Decision } from '@stowage/router'
import type { Context } from '../app/context.ts'
import type { CopyOnce } from './copy-once.ts'
import { evict } from './evict.ts'

export interface EnsureOptions {
  /** @defaultValue the newest */
  version?: number
  /** Where the copy is wanted. @defaultValue the actor's region */
  region?: string
  /** The source where it is wanted, in place of a region. */
  sourceId?: string
  /** How far from the region is near enough, by the distances of the configuration. @defaultValue 0, the region itself */
  within?: number
  /** Milliseconds to wait at most. The copy goes on afterwards. @defaultValue as long as it takes */
  deadlineMs?: number
  /** Ends the wait; the copy too, when nobody else in this process waits for it. It can be gone on with. */
  signal?: AbortSignal
  onProgress?: (progress: SyncProgress) => void
}

/** A copy that is near, or on its way. */
export interface Ensured {
  /** `pending`: the deadline came first, and the copy goes on. */
  status: 'ready' | 'pending'
  datasetId: string
  version: number
  sourceId: string
  /** Absent when the deadline came before the copy was written down. */
  replica?: DatasetReplica
  /** Whether it was there already. */
  wasThere: boolean
  /** Why this source: the choice among the replicas that are there, or among the sources that could take one. */
  decision: Decision
}

/** Sources that are near enough, best first, by a decision's distances. */
function near({ candidates }: Decision, within: number): string[] {
  return candidates.flatMap(({ sourceId, vector }) => (vector.distance <= within ? [sourceId] : []))
}

/** What speaks against a source as such, and not only against what lies on it now. */
const lasting: ReadonlySet<string> = new Set(['excluded', 'enabled', 'healthy', 'permitted', 'residency', 'rule'])

/** Makes sure that a copy of a version is near whoever wants it. */
export class EnsureReplica {
  readonly #context: Context
  readonly #copies: CopyOnce

  constructor(context: Context, copies: CopyOnce) {
    this.#context = context
    this.#copies = copies
  }

  async run(actor: Actor, datasetId: string, options: EnsureOptions): Promise<Ensured> {
    const { catalog, sources } = this.#context
    const where = checked(actor, options)
    const dataset = await catalog.getDataset(datasetId)
    if (dataset === undefined) throw new StowageError('not-found', `There is no dataset "${datasetId}".`)
    const number = options.version ?? dataset.version
    const version = number > 0 ? await catalog.getVersion(datasetId, number) : undefined
    if (version === undefined)
      throw new StowageError('not-found', `Dataset "${dataset.name}" has no version ${number}.`)
    await sources.fresh()
    if (options.sourceId !== undefined) sources.get(options.sourceId)
    const { tags } = dataset
    const asking = {
      actor: { ...actor, ...(where.region === undefined ? {} : { region: where.region }) },
      datasetId,
      tags,
    }
    const others = sources.list().flatMap(({ id }) => (id === options.sourceId ? [] : [id]))
    const only = options.sourceId === undefined ? {} : { excludeSources: others }
    const replicas = await catalog.listReplicas(datasetId, number)
    const reading = await this.#context.decide(
      { purpose: 'read', ...asking, ...only, version: number, size: version.size },
      replicas,
    )
    const [there] = reading.panic ? [] : near(reading, where.within)
    const ready = replicas.find(({ sourceId }) => sourceId === there)
    if (ready !== undefined) return ensured('ready', ready, true, reading)
    const { sourceId, decision } = await this.#target(version, replicas, reading, { ...asking, ...only }, where.within)
    return this.#wait(version, sourceId, decision, options)
  }

  /** Chooses where the copy goes: where one is on its way already, else where routing would put it. */
  async #target(
    version: DatasetVersion,
    replicas: readonly DatasetReplica[],
    reading: Decision,
    asking: { actor: Actor; datasetId: string; tags: string[]; excludeSources?: string[] },
    within: number,
  ): Promise<{ sourceId: string; decision: Decision }> {
    // Where the actor may not read, a copy is of no use to it.
    const useless = reading.dropped.flatMap(({ sourceId, filter }) => (lasting.has(filter) ? [sourceId] : []))
    const excludeSources = [...new Set([...useless, ...(asking.excludeSources ?? [])])]
    const { number, size } = version
    const begun = replicas.filter(({ status }) => status === 'syncing' || status === 'deleting')
    // As if what is on its way, or on its way out, were not there yet: it is as good a place as any.
    const decision = await this.#context.decide(
      { purpose: 'backup', ...asking, excludeSources, version: number, size },
      replicas.filter((replica) => !begun.includes(replica)),
    )
    const chosen = near(decision, within)
    const sourceId = begun.find((replica) => chosen.includes(replica.sourceId))?.sourceId ?? chosen[0]
    if (sourceId !== undefined) return { sourceId, decision }
    // What is on its way takes its room already.
    const isNear = (id: string): boolean =>
      asking.excludeSources === undefined
        ? this.#context.sources.get(id).region === asking.actor.region
        : !asking.excludeSources.includes(id)
    const full = decision.dropped.filter((drop) => drop.filter === 'room' && isNear(drop.sourceId))
    const own = begun.find((replica) => full.some((drop) => drop.sourceId === replica.sourceId))
    if (own !== undefined) return { sourceId: own.sourceId, decision }
    // What is marked now makes room for those who ask again.
    for (const drop of full) await evict(this.#context, { sourceId: drop.sourceId })
    const why = [
      ...decision.dropped.map((drop) => `${drop.sourceId}: ${drop.reason}`),
      ...decision.candidates.flatMap((one) =>
        chosen.includes(one.sourceId) ? [] : [`${one.sourceId}: too far away (${one.vector.distance})`],
      ),
    ]
    const code = full.length > 0 ? 'no-space' : 'no-source'
    throw new StowageError(code, `No source can take a copy of version ${number} there.`, {
      retryable: full.length > 0,
      hint: why.join('; '),
    })
  }

  async #wait(
    version: DatasetVersion,
    sourceId: string,
    decision: Decision,
    { deadlineMs, signal, onProgress }: EnsureOptions,
  ): Promise<Ensured> {
    const { clock, catalog } = this.#context
    const name = { datasetId: version.datasetId, version: version.number, sourceId }
    const over = new AbortController()
    const joined = this.#copies.join(name, { onProgress })
    const stop = (): void => joined.leave()
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted) stop()
    try {
      const ends: Promise<'ready' | 'pending'>[] = [joined.done.then(() => 'ready' as const)]
      if (deadlineMs !== undefined) {
        ends.push(
          clock.sleep(deadlineMs, over.signal).then(
            () => 'pending' as const,
            // The wait was over before.
            () => new Promise<never>(() => undefined),
          ),
        )
      }
      if (signal !== undefined) ends.push(aborted(signal, over.signal))
      const status = await Promise.race(ends)
      if (status === 'pending') joined.forgetProgress()
      const replica = (await catalog.listReplicas(name.datasetId, name.version)).find(
        (one) => one.sourceId === sourceId,
      )
      if (replica === undefined && status === 'pending') return { status, ...name, wasThere: false, decision }
      if (replica === undefined) {
        throw new StowageError('conflict', `The copy on "${sourceId}" is gone again.`, { sourceId, retryable: true })
      }
      return ensured(replica.status === 'ready' ? 'ready' : 'pending', replica, false, decision)
    } catch (thrown) {
      const error = toStowageError(thrown, signal)
      if (hasCode(error, 'aborted')) joined.leave()
      throw error
    } finally {
      over.abort()
      signal?.removeEventListener('abort', stop)
    }
  }
}

function ensured(status: Ensured['status'], replica: DatasetReplica, wasThere: boolean, decision: Decision): Ensured {
  const { datasetId, version, sourceId } = replica
  return { status, datasetId, version, sourceId, replica, wasThere, decision }
}

/** Rejects when the signal fires, unless it is over before. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(new StowageError('aborted', 'The wait was aborted.', { cause: signal.reason }))
    if (signal.aborted) return fail()
    signal.addEventListener('abort', fail, { once: true })
    over.addEventListener('abort', () => signal.removeEventListener('abort', fail), { once: true })
  })
}

/** @throws StowageError `invalid-request` naming the option that is wrong */
function checked(actor: Actor, options: EnsureOptions): { region: string | undefined; within: number } {
  const { sourceId, within, deadlineMs, version } = options
  const region = options.region ?? actor.region
  const wrong = (field: string, message: string): StowageError =>
    new StowageError('invalid-request', message, { field })
  if (sourceId !== undefined && options.region !== undefined) {
    throw wrong('sourceId', 'A copy is ensured in a region or on a source, not both.')
  }
  if (sourceId === undefined && region === undefined) {
    throw wrong('region', 'Say where the copy is wanted: a region, or a source.')
  }
  if (version !== undefined && !(Number.isSafeInteger(version) && version > 0)) {
    throw wrong('version', 'A version is a whole number from 1.')
  }
  if (within !== undefined && !(within >= 0)) throw wrong('within', 'A distance is a number from 0.')
  if (deadlineMs !== undefined && !(deadlineMs >= 0 && deadlineMs < 2 ** 31)) {
    throw wrong('deadlineMs', 'The deadline is not a number of milliseconds below 2147483648.')
  }
  return { region, within: sourceId === undefined ? (within ?? 0) : Number.POSITIVE_INFINITY }
}
