import {
  type Clock,
  type DatasetVersion,
  errnoOf,
  type FileSystem,
  type ManifestEntry,
  RateMeter,
  StowageError,
} from '@stowage/core'
import type { FileCache } from './cache.ts'
import { fetchInto, type Origin } from './fetch.ts'
import type { TargetFolder } from './folder.ts'
import type { MountedReplicas } from './mounted.ts'
import type { Materialized, MaterializeProgress } from './options.ts'
import type { Pruned } from './prune.ts'

/** How often a file is fetched again that vanishes from the cache before it is used. */
const ATTEMPTS = 5

export interface RunParts {
  fs: FileSystem
  clock: Clock
  cache: FileCache
  folder: TargetFolder
  verify: boolean
  version: DatasetVersion
  /** Whether all files of the version are wanted. */
  whole: boolean
  flush: boolean
  signal: AbortSignal
  prune: (() => Promise<Pruned>) | undefined
  maxCacheBytes?: number
  mounts?: MountedReplicas
  onProgress?: (progress: MaterializeProgress) => void
  origin: (onFailovers: (count: number) => void) => Origin
}

/** One materialization under way: puts one file after the other into the folder, and counts. */
export class MaterializeRun {
  readonly folder: TargetFolder
  readonly #parts: RunParts
  readonly #origin: Origin
  readonly #done: Materialized
  readonly #meter: RateMeter
  /** Contents that are being fetched by this process: a version may have one several times. */
  readonly #fetching = new Map<string, Promise<unknown>>()
  #sincePrune = 0
  #pruning: Promise<void> | undefined

  constructor(parts: RunParts) {
    this.#parts = parts
    this.folder = parts.folder
    this.#meter = new RateMeter(parts.clock.now())
    this.#done = {
      version: parts.version.number,
      dir: parts.folder.root,
      files: 0,
      bytes: 0,
      present: 0,
      reused: 0,
      fetched: 0,
      fetchedBytes: 0,
      hardLinks: 0,
      symbolicLinks: 0,
      copies: 0,
      failovers: 0,
      evictedBytes: 0,
    }
    const count = (failovers: number) => {
      this.#done.failovers += failovers
    }
    this.#origin = this.#counted(parts.origin(count))
  }

  /**
   * Makes sure that a file of the version is in the folder.
   * @param insist fetch it also when another process seems to be doing so
   */
  async place(entry: ManifestEntry, insist: boolean): Promise<'done' | 'busy'> {
    const { mounts, folder, verify, signal } = this.#parts
    const target = await mounts?.find(entry, verify, signal)
    if (target !== undefined) {
      this.#done[await folder.linkTo(entry, target)]++
      return this.#finished(entry)
    }
    if (await folder.has(entry)) {
      this.#done.present++
      return this.#finished(entry)
    }
    const got = await this.#fromCache(entry, insist)
    return got === 'busy' ? 'busy' : this.#finished(entry)
  }

  /** What was done, when all is. */
  async end(): Promise<Materialized> {
    await this.#pruning
    await this.#prune()
    return this.#done
  }

  async #fromCache(entry: ManifestEntry, insist: boolean): Promise<'done' | 'busy'> {
    const { cache, folder, verify, signal } = this.#parts
    let isNew = false
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // What was fetched just now was checked as it was written.
      if (isNew || (await cache.has(entry, verify, signal))) {
        const put = await this.#put(entry)
        if (put !== 'gone' && put !== 'wrong') {
          this.#done[put]++
          if (isNew) this.#done.fetched++
          else this.#done.reused++
          return 'done'
        }
        if (put === 'wrong') await cache.drop(entry)
        isNew = false
      }
      const fetched = await this.#fetch(entry, insist)
      if (fetched === 'busy') return 'busy'
      isNew = fetched === 'fetched'
    }
    throw new StowageError('unavailable', `"${entry.path}" vanished from the cache ${ATTEMPTS} times.`, {
      key: entry.path,
      hint: `Is ${folder.root} larger than the limit of the cache, or does another program clear ${cache.root}?`,
    })
  }

  async #put(entry: ManifestEntry): Promise<'hardLinks' | 'copies' | 'present' | 'wrong' | 'gone'> {
    const { cache, folder } = this.#parts
    try {
      return await folder.put(entry, cache.pathOf(entry))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 'gone'
      throw error
    }
  }

  async #fetch(entry: ManifestEntry, insist: boolean): Promise<'fetched' | 'busy' | 'lost'> {
    const name = `${entry.digest}.${entry.size}`
    const running = this.#fetching.get(name)
    if (running !== undefined) {
      await running.catch(() => undefined)
      return 'lost'
    }
    await this.#makeRoom(entry.size)
    const { fs, clock, cache, flush, signal } = this.#parts
    const fetching = fetchInto({ fs, clock, cache, origin: this.#origin, flush, signal }, entry, insist)
    this.#fetching.set(name, fetching)
    try {
      return await fetching
    } finally {
      this.#fetching.delete(name)
    }
  }

  /** Prunes the cache now and then while it grows. */
  async #makeRoom(size: number): Promise<void> {
    const { maxCacheBytes } = this.#parts
    if (maxCacheBytes === undefined) return
    this.#sincePrune += size
    if (this.#sincePrune > maxCacheBytes / 10) {
      this.#sincePrune = 0
      this.#pruning ??= this.#prune().finally(() => {
        this.#pruning = undefined
      })
    }
    await this.#pruning
  }

  async #prune(): Promise<void> {
    const pruned = await this.#parts.prune?.()
    this.#done.evictedBytes += pruned?.evictedBytes ?? 0
  }

  #counted(origin: Origin): Origin {
    const count = (bytes: number) => {
      this.#done.fetchedBytes += bytes
      this.#meter.add(bytes)
      this.#report()
    }
    return {
      blocks: (entry) => origin.blocks(entry),
      async *read(entry, from) {
        for await (const chunk of origin.read(entry, from)) {
          count(chunk.length)
          yield chunk
        }
      },
    }
  }

  #finished({ size }: ManifestEntry): 'done' {
    this.#done.files++
    this.#done.bytes += size
    this.#report()
    return 'done'
  }

  #report(): void {
    const { onProgress, whole, version, clock } = this.#parts
    if (onProgress === undefined) return
    const { files, bytes } = this.#done
    const totals = whole ? { totalFiles: version.fileCount, totalBytes: version.size } : {}
    onProgress({ files, bytes, rate: this.#meter.sample(clock.now()), ...totals })
  }
}
