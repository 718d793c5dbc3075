import type { Source } from '../entities/index.ts'
import type { DataKeyStore, Sealed } from '../vault/index.ts'

/** What JSON can say. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue }

/** Fields of a source's configuration beyond {@link Source}, such as `root`, `pathStyle` or `tls`. Never credentials. */
export type SourceOptions = Readonly<Record<string, JsonValue>>

/** A source as the catalog keeps it. It has no credentials, also no sealed ones: those are asked for by `getCredentials`. */
export interface StoredSource extends Source {
  options: SourceOptions
  /** Credentials in use are there. */
  hasCredentials: boolean
  /** Credentials that will replace them are there. */
  hasNextCredentials: boolean
  /** Opaque; another one after every change, never used again, also not after the source was removed and added. */
  revision: string
}

/** A source as it is added. */
export interface NewSource extends Pick<Source, 'id' | 'type'> {
  /** @defaultValue the id */
  name?: string
  /** `http:` or `https:`, without credentials, query or fragment. */
  endpoint?: string
  bucket?: string
  region?: string
  /** @defaultValue true for `oss`, false for the others */
  isPublic?: boolean
  /** @defaultValue 100 */
  priority?: number
  /** @defaultValue 1 */
  weight?: number
  /** @defaultValue true */
  enabled?: boolean
  /** @defaultValue `{}` */
  options?: SourceOptions
  /** `accessKey`, `secretKey`, `sessionToken`, sealed by a vault for this catalog and this id. */
  credentials?: Sealed
}

/** What changes of a source: what is given is set, `null` clears, the rest stays. The type never changes. */
export interface SourceChanges {
  name?: string
  endpoint?: string | null
  bucket?: string | null
  region?: string | null
  isPublic?: boolean
  priority?: number
  weight?: number
  enabled?: boolean
  /** All of them: options that are not named are gone. */
  options?: SourceOptions
  /** In one step with the endpoint, so that a key is never sent to another store. */
  credentials?: Sealed | null
  /** For rotation: kept beside the current ones until `promoteCredentials`. */
  nextCredentials?: Sealed | null
}

/** A source's credentials as they are stored; a vault opens them. */
export interface SealedCredentials {
  current?: Sealed
  next?: Sealed
}

/** What happened to sources since a cursor. */
export interface SourceChangesSince {
  /** To be given to the next call. */
  cursor: string
  /**
   * True when `changed` are all sources there are, so that others are to be forgotten: at the first call, and when the cursor is not
   * one of this catalog's past (it was restored from a backup).
   */
  whole: boolean
  /** Sources added or changed, as they are now, in the order of their last change. */
  changed: StoredSource[]
  /** Ids of sources removed and not added again. */
  removed: string[]
}

/**
 * The sources of a catalog, with their credentials as ciphertext only: the store never sees a key. Ids compare as bytes. Times are the
 * catalog's own clock. The contract suite is `testSourceStore` of `@stowage/core/testing`.
 */
export interface SourceStore extends DataKeyStore {
  /**
   * Adds a source.
   * @throws StowageError `conflict` when the id is taken, `invalid-request` naming the field that is wrong
   */
  add(source: NewSource): Promise<StoredSource>
  get(id: string): Promise<StoredSource | undefined>
  /** All of them, in byte order of their ids. */
  list(): Promise<StoredSource[]>
  /**
   * Changes a source if its revision is still `expected`. Does not look at what lies in the old place when endpoint or bucket change.
   * @throws StowageError `not-found`, `conflict` when somebody changed it first (nothing was changed), `invalid-request` naming the field
   */
  update(id: string, changes: SourceChanges, expected: string): Promise<StoredSource>
  /** Switches a source on or off, whoever changed it before. Without effect (also on its revision) when it is so already. @throws StowageError `not-found` */
  setEnabled(id: string, enabled: boolean): Promise<StoredSource>
  /**
   * Removes a source with its credentials, unless something refers to it: a replica in whatever status, or an open draft. Its bytes
   * are not touched. Removing one that is gone is no error.
   * @throws StowageError `unsafe` when something refers to it, `conflict` when `expected` is given and is not its revision
   */
  remove(id: string, expected?: string): Promise<void>

  /** The sealed credentials, or `undefined` when there is no such source. */
  getCredentials(id: string): Promise<SealedCredentials | undefined>
  /**
   * Makes the next credentials the current ones and forgets those, in one step. It needs no vault: sealed records do not name their slot.
   * @throws StowageError `not-found`, `conflict` when somebody changed it first, `invalid-request` when there are no next ones
   */
  promoteCredentials(id: string, expected: string): Promise<StoredSource>

  /** Notes that health was checked, in milliseconds since the epoch. Never goes back in time, is no change to others, and passes over unknown ids. */
  setHealthChecked(id: string, at: number): Promise<void>
  /**
   * What changed since a cursor of an earlier call. When nothing did, it reads one number: processes may ask every second.
   * Changes are seen in the order in which they were committed; none is passed over.
   */
  changes(since?: string): Promise<SourceChangesSince>

  close(): Promise<void>
}
