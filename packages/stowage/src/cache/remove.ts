import {
  type Damage,
  hasCode,
  type Removal,
  type StorageAdapter,
  StowageError,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import type { Context } from '../app/context.ts'
import type { Manifests } from '../datasets/manifests.ts'
import { type Held, heldSignal, hold, JsonRecords, nameOf } from '../records/index.ts'
import { copiesElsewhere } from './elsewhere.ts'
import { readable } from './evict.ts'
import { leavingKeys, leavingOf } from './leaving.ts'

export interface RemoveOptions {
  /** Only replicas on this source. @defaultValue all */
  sourceId?: string
  signal?: AbortSignal
}

/** What a run of removals did. */
export interface Removed {
  /** Replicas whose bytes are gone. */
  removed: { datasetId: string; version: number; sourceId: string; objects: number }[]
  /** Replicas that went back to what they were, since they were needed after all. */
  kept: { datasetId: string; version: number; sourceId: string }[]
  /** Marked replicas whose time has not come. */
  waiting: number
  /** What could not be removed now, and why. The next run tries again. */
  failed: { datasetId: string; version: number; sourceId: string; error: StowageError }[]
}

/** What is held while bytes go from a place: nobody else removes anything there. */
interface PlaceRecord {
  datasetId: string
  sourceId: string
  path: string
}

/** How far ahead of its time a replica is looked at, and how long a request may take; milliseconds. */
const AHEAD = 300_000
const REQUEST = 120_000

/** Keys of one request. */
const BATCH = 500

const PAGE = 200

const REMOVALS = 'removal/'

/**
 * Takes the bytes of replicas away that are marked `deleting`, once their grace is over and nobody holds them, and forgets them then. Stopped or
 * killed at any point, the next run goes on. Any number of processes may do it at the same time.
 */
export async function removeMarked(
  context: Context,
  manifests: Manifests,
  { sourceId, signal }: RemoveOptions = {},
): Promise<Removed> {
  const { catalog, sources, clock } = context
  await sources.fresh()
  const result: Removed = { removed: [], kept: [], waiting: 0, failed: [] }
  const usable = new Set(sources.list().flatMap(({ id, enabled }) => (enabled ? [id] : [])))
  for (let after: Removal | undefined; ; ) {
    const page = await catalog.listRemovals({
      limit: PAGE,
      ...(sourceId === undefined ? {} : { sourceId }),
      ...(after === undefined ? {} : { after }),
    })
    for (const removal of page) {
      throwIfAborted(signal)
      if (!usable.has(removal.sourceId)) continue
      if (!removal.begun && removal.notBefore > clock.now() + AHEAD) {
        result.waiting++
        continue
      }
      await new PlaceRemoval(context, manifests, removal, signal).run(result)
    }
    after = page.at(-1)
    if (page.length < PAGE) break
  }
  await forgetLeft(context, signal)
  return result
}

/** Forgets what a process left that died between the last step of a removal and its own record. */
async function forgetLeft(context: Context, signal: AbortSignal | undefined): Promise<void> {
  const records = new JsonRecords(context.records)
  for await (const { key, value } of records.all<PlaceRecord>(REMOVALS)) {
    const what = 'the record of a removal'
    const held = await hold<PlaceRecord>(context, key, { what, empty: value }, signal)
    if (held === undefined) continue
    const left = await context.catalog.listReplicas(value.datasetId)
    const isLeaving = left.some((one) => one.status === 'deleting' && one.sourceId === value.sourceId)
    await (isLeaving ? held.release() : held.remove())
  }
}

class PlaceRemoval {
  readonly #context: Context
  readonly #manifests: Manifests
  readonly #removal: Removal
  readonly #signal: AbortSignal | undefined

  constructor(context: Context, manifests: Manifests, removal: Removal, signal: AbortSignal | undefined) {
    this.#context = context
    this.#manifests = manifests
    this.#removal = removal
    this.#signal = signal
  }

  async run(result: Removed): Promise<void> {
    const { context, replica } = this.#parts()
    const { path } = this.#removal
    const records = new JsonRecords(context.records)
    const key = `${REMOVALS}${nameOf(replica.datasetId, replica.sourceId, path)}`
    const empty: PlaceRecord = { datasetId: replica.datasetId, sourceId: replica.sourceId, path }
    const what = 'the removal of this replica'
    let held: Held<PlaceRecord> | undefined
    try {
      held = await hold<PlaceRecord>(context, key, { what, empty }, this.#signal)
      if (held === undefined) return
      const among = await copiesElsewhere(context, this.#removal, heldSignal(held, this.#signal))
      const minimumCopies = context.caches.get(replica.sourceId)?.minimumCopies ?? 1
      const began = await context.catalog.beginRemoval(replica, { minimumCopies, among })
      if (began === 'waiting') result.waiting++
      if (began === 'kept') result.kept.push(replica)
      if (began === 'begun') result.removed.push({ ...replica, objects: await this.#clear(records, held, among) })
      await held.remove()
    } catch (thrown) {
      await held?.remove().catch(() => undefined)
      const error = toStowageError(thrown, this.#signal)
      if (error.code === 'aborted') throw error
      // Another process was at it, or has done it.
      if (hasCode(error, 'not-found', 'lease-lost') && (await this.#isGone())) return
      result.failed.push({ ...replica, error })
    }
  }

  #parts() {
    const { datasetId, version, sourceId } = this.#removal
    return { context: this.#context, replica: { datasetId, version, sourceId } }
  }

  /** Deletes the objects, then forgets the replica. Returns how many objects went. */
  async #clear(records: JsonRecords, held: Held<PlaceRecord>, among: readonly string[]): Promise<number> {
    const { context, replica } = this.#parts()
    const { catalog, sources } = context
    const adapter = await sources.adapter(replica.sourceId)
    const damage = new Map((await catalog.listDamage(replica)).map((one) => [one.key, one]))
    const leaving = await leavingOf(context, this.#manifests, this.#removal)
    let objects = 0
    let batch: string[] = []
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return
      throwIfAborted(this.#signal)
      await this.#assertSafe(records, among)
      // Whoever took this over in the meantime is found out here, before each request.
      await held.commit((record) => record)
      objects += await this.#delete(adapter, batch, damage, heldSignal(held, this.#signal))
      batch = []
    }
    for await (const key of leavingKeys(leaving)) {
      batch.push(this.#removal.path + key)
      if (batch.length === BATCH) await flush()
    }
    await flush()
    await catalog.removeReplica(replica)
    const { datasetId, version, sourceId } = replica
    context.events.emit('replica.removed', { datasetId, version, sourceId, objects })
    return objects
  }

  /**
   * Looks once more before each request whether good copies are left, among those that were seen: what is still here may be all there is to
   * mend from.
   * @throws StowageError `unsafe`, or `lease-held` while an object of the place is being mended, which would come back
   */
  async #assertSafe(records: JsonRecords, among: readonly string[]): Promise<void> {
    const { context, replica } = this.#parts()
    const { datasetId, version, sourceId } = replica
    const { catalog } = context
    const damaged = new Set((await catalog.listDamage({ datasetId })).map((one) => one.sourceId))
    const usable = readable(context).filter((id) => id !== sourceId && among.includes(id) && !damaged.has(id))
    const replicas = await catalog.listReplicas(datasetId, version)
    if (!replicas.some((one) => one.status === 'ready' && usable.includes(one.sourceId))) {
      throw new StowageError('unsafe', `No good copy of version ${version} is left elsewhere, so what is here stays.`, {
        sourceId,
        hint: 'stowage verify DATASET --repair mends the others.',
      })
    }
    for await (const { value } of records.all<{ sourceId: string; key: string }>('scrub/mend/')) {
      if (value.sourceId !== sourceId || !value.key.startsWith(this.#removal.path)) continue
      throw new StowageError('lease-held', `"${value.key}" is being mended.`, { sourceId, key: value.key })
    }
  }

  async #delete(
    adapter: StorageAdapter,
    keys: string[],
    damage: Map<string, Damage>,
    held: AbortSignal,
  ): Promise<number> {
    const signal = AbortSignal.any([AbortSignal.timeout(REQUEST), held])
    const { deleted, failed } = await adapter.deleteMany(keys, { signal })
    if (failed[0] !== undefined) throw failed[0].error
    for (const key of keys) {
      const known = damage.get(key)
      if (known !== undefined) await this.#context.catalog.clearDamage(known)
    }
    return deleted.length
  }

  async #isGone(): Promise<boolean> {
    const { context, replica } = this.#parts()
    const left = await context.catalog.listReplicas(replica.datasetId, replica.version).catch(() => undefined)
    return left !== undefined && !left.some(({ sourceId }) => sourceId === replica.sourceId)
  }
}
