import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Actor, type Dataset, type ManifestEntry, StowageError } from '@stowage/core'
import pLimit from 'p-limit'
import { authorOf, type Context } from '../app/context.ts'
import { DatasetHandle } from './dataset-handle.ts'
import type { Manifests } from './manifests.ts'
import {
  type Access,
  type AccessOptions,
  accessFile,
  type DatasetFile,
  locate,
  type OpenOptions,
  openFile,
} from './read.ts'

export interface CreateDatasetOptions {
  name: string
  description?: string
  tags?: string[]
}

export interface DownloadOptions {
  /** @defaultValue the newest */
  version?: number
  /** Files at once. @defaultValue 8 */
  concurrency?: number
  signal?: AbortSignal
  onProgress?: (progress: {
    files: number
    totalFiles: number
    bytes: number
    totalBytes: number
    path: string
  }) => void
}

/** What a download did. */
export interface Downloaded {
  version: number
  files: number
  bytes: number
  /** Reads that went on from another source. */
  failovers: number
}

/** The datasets as one actor sees them. */
export class Datasets {
  readonly #context: Context
  readonly #manifests: Manifests
  readonly #actor: Actor
  readonly #published: () => void

  constructor(context: Context, manifests: Manifests, actor: Actor, published: () => void) {
    this.#context = context
    this.#manifests = manifests
    this.#actor = actor
    this.#published = published
  }

  /** @throws StowageError `conflict` when the actor has a dataset of this name, `invalid-request` when the name cannot be one */
  async create(options: CreateDatasetOptions): Promise<DatasetHandle> {
    const { catalog, random, clock } = this.#context
    if (options.name.trim() === '' || options.name.length > 200 || !options.name.isWellFormed()) {
      throw new StowageError('invalid-request', 'A dataset needs a name of 1 to 200 characters.', { field: 'name' })
    }
    const dataset = await catalog.createDataset({
      id: random.id(clock.now()),
      name: options.name,
      userId: authorOf(this.#actor),
      ...(this.#actor.workspaceId === undefined ? {} : { workspaceId: this.#actor.workspaceId }),
      ...(options.description === undefined ? {} : { description: options.description }),
      ...(options.tags === undefined ? {} : { tags: options.tags }),
    })
    return this.#handle(dataset)
  }

  /**
   * A dataset by id or by name; the actor's own comes first when a name is used by several.
   * @throws StowageError `not-found`, or `conflict` when several others have the name
   */
  async get(idOrName: string): Promise<DatasetHandle> {
    const byId = await this.#context.catalog.getDataset(idOrName)
    if (byId !== undefined) return this.#handle(byId)
    const named = await this.#context.catalog.findDatasets(idOrName)
    const own = named.find((dataset) => dataset.userId === authorOf(this.#actor))
    const [first, second] = named
    if (own === undefined && second !== undefined) {
      throw new StowageError('conflict', `Several datasets are named "${idOrName}".`, {
        hint: `Use an id: ${named.map((dataset) => dataset.id).join(', ')}.`,
      })
    }
    const found = own ?? first
    if (found === undefined) {
      throw new StowageError('not-found', `There is no dataset "${idOrName}".`, {
        hint: 'stowage dataset list shows them.',
      })
    }
    return this.#handle(found)
  }

  /** Datasets, newest first. */
  list(options: { after?: string; limit?: number } = {}): Promise<Dataset[]> {
    return this.#context.catalog.listDatasets(options)
  }

  /**
   * Opens a file from the nearest healthy copy. The stream survives its source: it goes on at the same byte from the next copy.
   *
   * @throws StowageError `not-found`, or `no-source` when no copy can be read
   * @example
   * ```ts
   * const file = await node.datasets.open(cats.id, 'train/0001.jpg')
   * for await (const chunk of file.stream) use(chunk)
   * ```
   */
  async open(datasetId: string, path: string, options: OpenOptions = {}): Promise<DatasetFile> {
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, options.version)
    return openFile(this.#context, place, path, options)
  }

  /** Ordered ways to a file for a program that reads by itself: presigned URLs, or paths on this machine. */
  async access(datasetId: string, options: AccessOptions): Promise<Access> {
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, options.version)
    return accessFile(this.#context, place, options)
  }

  /** The files of a version, in byte order of their paths. */
  async *files(datasetId: string, options: { version?: number; prefix?: string } = {}): AsyncGenerator<ManifestEntry> {
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, options.version)
    yield* place.manifest.entries(options.prefix)
  }

  /**
   * Downloads a version into a folder. Each file is written beside its place and renamed when its digest is right, so no half file is ever seen.
   * @throws StowageError the first failure; files that were finished stay
   */
  async download(datasetId: string, directory: string, options: DownloadOptions = {}): Promise<Downloaded> {
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, options.version)
    const base = resolve(directory)
    const limit = pLimit(options.concurrency ?? 8)
    const stop = new AbortController()
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
    const done: Downloaded = { version: place.version.number, files: 0, bytes: 0, failovers: 0 }
    const { fileCount: totalFiles, size: totalBytes } = place.version
    const one = async (entry: ManifestEntry) => {
      const file = await openFile(this.#context, place, entry.path, { signal })
      await save(file, inside(base, entry.path), this.#context)
      done.files++
      done.bytes += entry.size
      done.failovers += file.failovers.length
      options.onProgress?.({ files: done.files, totalFiles, bytes: done.bytes, totalBytes, path: entry.path })
    }
    let failure: unknown
    const running = new Set<Promise<void>>()
    for await (const entry of place.manifest.entries()) {
      if (signal.aborted) break
      const task: Promise<void> = limit(() => one(entry))
        .catch((error) => {
          failure ??= error
          stop.abort()
        })
        .finally(() => running.delete(task))
      running.add(task)
      if (running.size >= 64) await Promise.race(running)
    }
    await Promise.all(running)
    if (failure !== undefined) throw failure
    if (options.signal?.aborted)
      throw new StowageError('aborted', 'The download was stopped.', { cause: options.signal.reason })
    return done
  }

  #handle(dataset: Pick<Dataset, 'id' | 'name'>): DatasetHandle {
    return new DatasetHandle(this.#context, this.#manifests, this.#actor, dataset, this.#published)
  }
}

/** Where a path lies below a folder. A manifest's paths were checked when they came; whoever forged one gets no further than here. */
function inside(base: string, path: string): string {
  const full = join(base, ...path.split('/'))
  if (!full.startsWith(base + sep))
    throw new StowageError('invalid-key', `The path "${path}" leads out of the folder.`, { key: path })
  return full
}

async function save(file: DatasetFile, path: string, context: Context): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const part = `${path}.${context.random.id(context.clock.now())}.part`
  try {
    await pipeline(file.stream, createWriteStream(part, { flags: 'wx', flush: true }))
    await rename(part, path)
  } catch (error) {
    file.stream.destroy()
    await rm(part, { force: true })
    throw error
  }
}
