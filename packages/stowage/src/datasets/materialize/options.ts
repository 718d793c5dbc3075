/** What a version is made into a folder with. */
export interface MaterializeOptions {
  /** @defaultValue the newest */
  version?: number
  /** The folder. It is made; one that is there is empty, or holds the same version from an earlier run, which is gone on with. */
  dir: string
  /**
   * Where the bytes are kept, each once, for all versions, folders and processes. On the same disk as the folder, files are hard links into
   * it and cost no space. @defaultValue `stowage/files` in the user's folder of caches (`XDG_CACHE_HOME`, else `~/.cache`)
   */
  cacheDir?: string
  /** Bytes of the cache, at most: those that are in no folder and were not used for the longest time go. @defaultValue no limit */
  maxCacheBytes?: number
  /** Only files whose paths begin with this; they keep their paths. @defaultValue all */
  prefix?: string
  /**
   * `cache`: files from the cache. `mount`: symbolic links to the files of a source that is mounted here; nothing is copied, and no byte
   * is checked unless `verify` is given. What no mounted source has comes from the cache. @defaultValue 'cache'
   */
  from?: 'cache' | 'mount'
  /** The node that this machine is, one of `routing.nodes`: what is mounted on it, and which copy is near. @defaultValue none in particular */
  node?: string
  /**
   * `auto`: hard links, read-only; where the disk allows none, copies that share their blocks, or plain ones. `copy`: copies that may be written to.
   * @defaultValue 'auto'
   */
  link?: 'auto' | 'copy'
  /**
   * Read every file that is there already, here and in the cache, against its digest. Otherwise one whose size and time are as they were left
   * is taken for right. @defaultValue false
   */
  verify?: boolean
  /** Replace files of the folder that were changed, rather than stop with `conflict`. @defaultValue false */
  repair?: boolean
  /** Files at once. @defaultValue 16 */
  concurrency?: number
  /** What a file in the cache survives: the end of the process, or a loss of power. @defaultValue 'process' */
  durability?: 'process' | 'power'
  signal?: AbortSignal
  onProgress?: (progress: MaterializeProgress) => void
}

/** How far a materialization is. */
export interface MaterializeProgress {
  /** Files done. */
  files: number
  /** Of the whole version; absent with a `prefix`. */
  totalFiles?: number
  /** Bytes of the files that are done, and of those that were fetched so far. */
  bytes: number
  totalBytes?: number
  /** Bytes fetched a second, smoothed. */
  rate: number
}

/** What a materialization did. */
export interface Materialized {
  version: number
  /** The folder, as an absolute path. */
  dir: string
  /** Files of the folder, all of which are right now. */
  files: number
  bytes: number
  /** Files that were in the folder already. */
  present: number
  /** Files that came from the cache without being fetched. */
  reused: number
  /** Files and bytes that were read from a source. */
  fetched: number
  fetchedBytes: number
  /** How the files got into the folder. */
  hardLinks: number
  symbolicLinks: number
  copies: number
  /** Reads that went on from another source. */
  failovers: number
  /** Bytes that were dropped from the cache to keep it in its limit. */
  evictedBytes: number
}
