import type {
  DatasetReplica,
  Pin,
  Removal,
  ReplicaName,
  ReplicaStatus,
  ReplicaUse,
  SourceUsage,
} from '../entities/index.ts'

/** The copies that must be left elsewhere, ready and undamaged, when a replica goes. */
export interface CopiesWanted {
  /** @defaultValue 1 */
  minimumCopies?: number
  /** Sources whose replicas count: those that can be read. @defaultValue all */
  among?: readonly string[]
}

/** How a replica is marked for deletion. */
export interface MarkOptions extends CopiesWanted {
  /** Milliseconds that its bytes stay at least, so that whoever was sent there a moment ago still finds them. @defaultValue 0 */
  graceMs?: number
  /** Leave it when it is pinned: for those who only want the space. @defaultValue false */
  unlessPinned?: boolean
  /** Leave it when it is in another state by now, as when somebody has begun to copy to it. @defaultValue any */
  status?: Exclude<ReplicaStatus, 'deleting'>
}

/** Part of the catalog of datasets: how replicas are used, and how they go. Times are the catalog's own clock. */
export interface ReplicaUses {
  /** Notes when replicas were read. An earlier time than is noted changes nothing, nor does a replica that is not there. */
  noteReads(reads: readonly (ReplicaName & { at: number })[]): Promise<void>
  /**
   * Notes that somebody may read a replica without us until then: its bytes stay for so long. What is noted is never shortened.
   * @returns whether it is ready, so that it can be handed out; nothing is noted otherwise
   */
  holdReplica(replica: ReplicaName, until: number): Promise<boolean>
  /** Replicas on a source in every state, those first that were used longest ago; only after `after`, at most `limit`. */
  listUses(sourceId: string, options?: { after?: ReplicaUse; limit?: number }): Promise<ReplicaUse[]>
  /** What datasets take on a source. */
  usageOf(sourceId: string): Promise<SourceUsage>
  /** Bytes that would leave a source with this replica: those of its files that no other one at its place has which stays. */
  freedBy(replica: ReplicaName): Promise<number>

  /** Keeps a dataset, or a version of it, from eviction. Doing it again changes nothing. @throws StowageError `not-found` */
  pin(pin: Omit<Pin, 'createdAt'>): Promise<Pin>
  /** Returns whether there was such a pin. */
  unpin(pin: Pick<Pin, 'datasetId' | 'version' | 'sourceId'>): Promise<boolean>
  /** Pins of all datasets or of one, oldest first within a dataset. */
  listPins(datasetId?: string): Promise<Pin[]>

  /** Replicas that are marked for deletion, in order of dataset, version and source; only after `after`, at most `limit`. */
  listRemovals(options?: { sourceId?: string; after?: ReplicaName; limit?: number }): Promise<Removal[]>
  /**
   * Says that the bytes of a marked replica go now. Its time must have come, nobody may hold it any more, and the copies that are wanted must
   * still be there: a replica that is needed after all goes back to what it was. Calling it again, after a crash say, is no error.
   * @returns `begun`; `waiting` when its time has not come; `kept` when it went back
   * @throws StowageError `not-found`, `conflict` when it is not marked
   */
  beginRemoval(replica: ReplicaName, wanted?: CopiesWanted): Promise<'begun' | 'waiting' | 'kept'>
  /**
   * Takes the mark from a replica whose bytes are all there still. Without effect on one that is not marked.
   * @throws StowageError `not-found`, `lease-held` when its bytes are going already
   */
  keepReplica(replica: ReplicaName): Promise<DatasetReplica>
}
