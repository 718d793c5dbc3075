import type {
  Damage,
  Dataset,
  DatasetReplica,
  DatasetVersion,
  Draft,
  DraftFile,
  ReplicaStatus,
} from '../entities/index.ts'
import type { MarkOptions, ReplicaUses } from './replica-uses.ts'

/** A dataset as it is created. */
export interface NewDataset {
  id: string
  name: string
  userId: string
  workspaceId?: string
  description?: string
  tags?: string[]
}

/** A draft as it is begun. */
export interface NewDraft {
  id: string
  datasetId: string
  sourceId: string
  path: string
  baseVersion: number
  author: string
}

/** What publishing a draft records, in one transaction. */
export interface Publication {
  draftId: string
  /** Root digest of the manifest, whose objects are stored already. */
  manifest: string
  size: number
  fileCount: number
  message: string
  /**
   * Its bytes by the drafts that brought its files, from which it is known what versions share at one place.
   * @defaultValue all of them by this draft
   */
  parts?: readonly VersionPart[]
}

/** Bytes of a version's files that one draft brought. */
export interface VersionPart {
  /** Its id: the first folder of the files' keys. */
  draft: string
  size: number
}

/** A message written in the same transaction as the change it tells of, handled at least once. */
export interface OutboxEntry {
  /** Ascending. */
  id: number
  kind: 'dataset.published'
  datasetId: string
  version: number
  createdAt: number
  /** Times it was handed out. */
  attempts: number
}

/**
 * The catalog of datasets. Times are the catalog's own clock. Names, ids and paths compare as bytes.
 * The contract suite is `testDatasetStore` of `@stowage/core/testing`.
 */
export interface DatasetStore extends ReplicaUses {
  /** The identity of this catalog, written into the marker of every managed root. Made once, with the schema. */
  catalogId(): Promise<string>

  /**
   * Names are unique within a workspace, or among a user's own datasets of no workspace.
   * @throws StowageError `conflict` when the workspace (or the user) has a dataset of this name, or the id is taken
   */
  createDataset(dataset: NewDataset): Promise<Dataset>
  getDataset(id: string): Promise<Dataset | undefined>
  /** Datasets of this name, of whichever owner, oldest first. */
  findDatasets(name: string): Promise<Dataset[]>
  /** Newest first (also among equal times), only those older than `after` (an id of the page before), at most `limit`; without it, all. */
  listDatasets(options?: { userId?: string; workspaceId?: string; after?: string; limit?: number }): Promise<Dataset[]>
  /** Open drafts of a dataset. */
  countOpenDrafts(datasetId: string): Promise<number>

  /**
   * @throws StowageError `not-found` when the dataset does not exist, `conflict` when the id is taken, or when the replica of its base on its
   * source is being deleted: the files that stay would go with it
   */
  createDraft(draft: NewDraft): Promise<Draft>
  getDraft(id: string): Promise<Draft | undefined>
  /** The open drafts of a dataset, oldest first. */
  listDrafts(datasetId: string): Promise<Draft[]>
  /**
   * Adds files to an open draft, or replaces those of the same path; all of them or none.
   * @throws StowageError `not-found`, or `conflict` when the draft is not open
   */
  putDraftFiles(draftId: string, files: readonly DraftFile[]): Promise<void>
  getDraftFile(draftId: string, path: string): Promise<DraftFile | undefined>
  /** Files in byte order of their paths, above `after`, at most `limit`; without it, all. A closed draft has none. */
  listDraftFiles(draftId: string, options?: { after?: string; limit?: number }): Promise<DraftFile[]>
  /**
   * Closes a draft without publishing and forgets its files. Doing it again is no error.
   * @param options `ifEmpty`: only a draft that has no files
   * @throws StowageError `not-found`, or `conflict` when it was published, or has files and should have none
   */
  discardDraft(draftId: string, options?: { ifEmpty?: boolean }): Promise<void>

  /**
   * Makes a draft the next version: checks that the dataset's newest version is still the draft's base, gives the number, records the
   * version, its primary replica (`ready`) and an outbox entry, closes the draft and forgets its files. All or nothing.
   * Publishing a draft again that was published with the same manifest returns its version.
   * @throws StowageError `not-found`, or `conflict` when another version came first, the draft is not open, or files stay whose replica is gone
   * from the draft's source
   */
  publish(publication: Publication): Promise<DatasetVersion>
  getVersion(datasetId: string, number: number): Promise<DatasetVersion | undefined>
  /** Newest first. */
  listVersions(datasetId: string): Promise<DatasetVersion[]>

  /**
   * Adds a replica in status `syncing`, or returns the one that is there.
   * @throws StowageError `not-found` when there is no such version, `lease-held` while bytes of another version go from the same place: what
   * was found there would be gone a moment later
   */
  addReplica(
    replica: Pick<DatasetReplica, 'datasetId' | 'version' | 'sourceId' | 'path' | 'size'>,
  ): Promise<DatasetReplica>
  /** Changes a replica's status; `ready` also sets `lastSyncAt`. @throws StowageError `not-found`, or `conflict` when it is being deleted */
  setReplicaStatus(
    replica: Pick<DatasetReplica, 'datasetId' | 'version' | 'sourceId'>,
    status: Exclude<ReplicaStatus, 'deleting'>,
    errorMessage?: string,
  ): Promise<DatasetReplica>
  /**
   * Marks a replica `deleting`, if another one of its version is ready and nothing of the dataset is known to be damaged there. So the last
   * good copy is kept, and while there is none every other one is kept too, since it may be all there is to mend from. Marking it again
   * changes nothing.
   * @throws StowageError `unsafe` when no other replica is ready and undamaged, or it is pinned; `conflict` when an open draft follows this
   * version on this source, whose files stay, or it is not in the `status` that was named; `not-found`
   */
  markReplicaDeleting(
    replica: Pick<DatasetReplica, 'datasetId' | 'version' | 'sourceId'>,
    options?: MarkOptions,
  ): Promise<DatasetReplica>
  /**
   * Forgets a replica whose bytes are gone, and with the last one of a dataset on a source what was damaged there. One that is forgotten
   * already is no error.
   * @throws StowageError `conflict` when it was not marked
   */
  removeReplica(replica: Pick<DatasetReplica, 'datasetId' | 'version' | 'sourceId'>): Promise<void>
  /** Replicas of one version, or of all, primaries first. */
  listReplicas(datasetId: string, version?: number): Promise<DatasetReplica[]>

  /**
   * Writes down that an object of a replica is bad, or that it was found so again: `found` counts up, and `foundAt` stays.
   * @throws StowageError `not-found` when there is no such dataset
   */
  addDamage(damage: Omit<Damage, 'foundAt' | 'found'>): Promise<Damage>
  /** What is known to be bad, in byte order of dataset, source and key; only above `after` when it is given, at most `limit`. */
  listDamage(options?: {
    datasetId?: string
    sourceId?: string
    after?: Pick<Damage, 'datasetId' | 'sourceId' | 'key'>
    limit?: number
  }): Promise<Damage[]>
  /** Forgets what was mended, unless it was found bad again since. Returns whether it is forgotten. */
  clearDamage(damage: Pick<Damage, 'datasetId' | 'sourceId' | 'key' | 'found'>): Promise<boolean>

  /**
   * Takes up to `limit` entries that nobody else holds and holds them for `holdMs`; what is not finished by then comes again.
   */
  takeOutbox(limit: number, holdMs: number): Promise<OutboxEntry[]>
  /** Milliseconds until the first of those that are held comes again, if it is not finished; `undefined` when none is held. */
  outboxHeldFor(): Promise<number | undefined>
  /**
   * Holds an entry for `holdMs` from now on, for who is still at it.
   * @returns whether it is held: not when it is finished, was given back, or somebody else took it after its time
   */
  extendOutbox(entry: Pick<OutboxEntry, 'id' | 'attempts'>, holdMs: number): Promise<boolean>
  /** Gives an entry back before its time, so that it comes again at once; without effect when somebody else holds it by now. */
  releaseOutbox(entry: Pick<OutboxEntry, 'id' | 'attempts'>): Promise<void>
  /** Done with an entry: it does not come again. */
  finishOutbox(id: number): Promise<void>

  close(): Promise<void>
}
