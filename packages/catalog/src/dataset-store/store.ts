import type {
  Clock,
  CopiesWanted,
  Damage,
  Dataset,
  DatasetReplica,
  DatasetStore,
  DatasetVersion,
  Draft,
  DraftFile,
  MarkOptions,
  NewDataset,
  NewDraft,
  OutboxEntry,
  Pin,
  Publication,
  Removal,
  ReplicaName,
  ReplicaStatus,
  ReplicaUse,
  SourceUsage,
} from '@stowage/core'
import { type CatalogDatabase, type Context, contextOf } from '../database/index.ts'
import * as damage from './damage.ts'
import * as datasets from './datasets.ts'
import * as drafts from './drafts.ts'
import * as outbox from './outbox.ts'
import * as pins from './pins.ts'
import * as versions from './publish.ts'
import { purgeClosedDrafts } from './purge.ts'
import * as removals from './removals.ts'
import * as replicas from './replicas.ts'
import * as usage from './usage.ts'
import * as uses from './uses.ts'

/** The catalog of datasets in SQL. */
export class SqlDatasetStore implements DatasetStore {
  readonly #context: Context
  readonly #onClose: () => Promise<void>

  constructor(database: CatalogDatabase, clock: Clock, onClose: () => Promise<void>) {
    this.#context = contextOf(database, clock)
    this.#onClose = onClose
  }

  async catalogId(): Promise<string> {
    const row = await this.#context.db
      .selectFrom('stowage_meta')
      .select('value')
      .where('name', '=', 'id')
      .executeTakeFirstOrThrow()
    return row.value
  }

  createDataset(dataset: NewDataset): Promise<Dataset> {
    return datasets.createDataset(this.#context, dataset)
  }

  getDataset(id: string): Promise<Dataset | undefined> {
    return datasets.getDataset(this.#context, id)
  }

  findDatasets(name: string): Promise<Dataset[]> {
    return datasets.findDatasets(this.#context, name)
  }

  listDatasets(options?: {
    userId?: string
    workspaceId?: string
    after?: string
    limit?: number
  }): Promise<Dataset[]> {
    return datasets.listDatasets(this.#context, options)
  }

  countOpenDrafts(datasetId: string): Promise<number> {
    return drafts.countOpenDrafts(this.#context, datasetId)
  }

  createDraft(draft: NewDraft): Promise<Draft> {
    return drafts.createDraft(this.#context, draft)
  }

  getDraft(id: string): Promise<Draft | undefined> {
    return drafts.getDraft(this.#context, id)
  }

  listDrafts(datasetId: string): Promise<Draft[]> {
    return drafts.listDrafts(this.#context, datasetId)
  }

  putDraftFiles(draftId: string, files: readonly DraftFile[]): Promise<void> {
    return drafts.putDraftFiles(this.#context, draftId, files)
  }

  getDraftFile(draftId: string, path: string): Promise<DraftFile | undefined> {
    return drafts.getDraftFile(this.#context, draftId, path)
  }

  listDraftFiles(draftId: string, options?: { after?: string; limit?: number }): Promise<DraftFile[]> {
    return drafts.listDraftFiles(this.#context, draftId, options)
  }

  async discardDraft(draftId: string, options: { ifEmpty?: boolean } = {}): Promise<void> {
    await drafts.discardDraft(this.#context, draftId, options)
    await this.#purge()
  }

  async publish(publication: Publication): Promise<DatasetVersion> {
    const version = await versions.publish(this.#context, publication)
    await this.#purge()
    return version
  }

  getVersion(datasetId: string, number: number): Promise<DatasetVersion | undefined> {
    return versions.getVersion(this.#context, datasetId, number)
  }

  listVersions(datasetId: string): Promise<DatasetVersion[]> {
    return versions.listVersions(this.#context, datasetId)
  }

  addReplica(replica: ReplicaName & Pick<DatasetReplica, 'path' | 'size'>): Promise<DatasetReplica> {
    return replicas.addReplica(this.#context, replica)
  }

  setReplicaStatus(
    replica: ReplicaName,
    status: Exclude<ReplicaStatus, 'deleting'>,
    errorMessage?: string,
  ): Promise<DatasetReplica> {
    return replicas.setReplicaStatus(this.#context, replica, status, errorMessage)
  }

  markReplicaDeleting(replica: ReplicaName, options?: MarkOptions): Promise<DatasetReplica> {
    return removals.markReplicaDeleting(this.#context, replica, options)
  }

  beginRemoval(replica: ReplicaName, wanted?: CopiesWanted): Promise<'begun' | 'waiting' | 'kept'> {
    return removals.beginRemoval(this.#context, replica, wanted)
  }

  keepReplica(replica: ReplicaName): Promise<DatasetReplica> {
    return removals.keepReplica(this.#context, replica)
  }

  listRemovals(options?: Parameters<DatasetStore['listRemovals']>[0]): Promise<Removal[]> {
    return removals.listRemovals(this.#context, options)
  }

  noteReads(reads: readonly (ReplicaName & { at: number })[]): Promise<void> {
    return uses.noteReads(this.#context, reads)
  }

  holdReplica(replica: ReplicaName, until: number): Promise<boolean> {
    return uses.holdReplica(this.#context, replica, until)
  }

  listUses(sourceId: string, options?: { after?: ReplicaUse; limit?: number }): Promise<ReplicaUse[]> {
    return uses.listUses(this.#context, sourceId, options)
  }

  usageOf(sourceId: string): Promise<SourceUsage> {
    return usage.usageOf(this.#context, sourceId)
  }

  freedBy(replica: ReplicaName): Promise<number> {
    return usage.freedBy(this.#context, replica)
  }

  pin(wanted: Omit<Pin, 'createdAt'>): Promise<Pin> {
    return pins.pin(this.#context, wanted)
  }

  unpin(unwanted: Pick<Pin, 'datasetId' | 'version' | 'sourceId'>): Promise<boolean> {
    return pins.unpin(this.#context, unwanted)
  }

  listPins(datasetId?: string): Promise<Pin[]> {
    return pins.listPins(this.#context, datasetId)
  }

  removeReplica(replica: ReplicaName): Promise<void> {
    return replicas.removeReplica(this.#context, replica)
  }

  listReplicas(datasetId: string, version?: number): Promise<DatasetReplica[]> {
    return replicas.listReplicas(this.#context, datasetId, version)
  }

  addDamage(found: Omit<Damage, 'foundAt' | 'found'>): Promise<Damage> {
    return damage.addDamage(this.#context, found)
  }

  listDamage(options?: Parameters<DatasetStore['listDamage']>[0]): Promise<Damage[]> {
    return damage.listDamage(this.#context, options)
  }

  clearDamage(mended: Pick<Damage, 'datasetId' | 'sourceId' | 'key' | 'found'>): Promise<boolean> {
    return damage.clearDamage(this.#context, mended)
  }

  takeOutbox(limit: number, holdMs: number): Promise<OutboxEntry[]> {
    return outbox.takeOutbox(this.#context, limit, holdMs)
  }

  outboxHeldFor(): Promise<number | undefined> {
    return outbox.outboxHeldFor(this.#context)
  }

  extendOutbox(entry: Pick<OutboxEntry, 'id' | 'attempts'>, holdMs: number): Promise<boolean> {
    return outbox.extendOutbox(this.#context, entry, holdMs)
  }

  releaseOutbox(entry: Pick<OutboxEntry, 'id' | 'attempts'>): Promise<void> {
    return outbox.releaseOutbox(this.#context, entry)
  }

  finishOutbox(id: number): Promise<void> {
    return outbox.finishOutbox(this.#context, id)
  }

  close(): Promise<void> {
    return this.#onClose()
  }

  /** The change is made already, so a failure here is not the caller's: the rows go the next time. */
  async #purge(): Promise<void> {
    await purgeClosedDrafts(this.#context).catch(() => undefined)
  }
}
