import { type Actor, type Dataset, type ManifestEntry, type Pin, StowageError } from '@stowage/core'
import { authorOf, type Context } from '../app/context.ts'
import type { Ensured, EnsureOptions, EnsureReplica } from '../cache/index.ts'
import {
  type Access,
  type AccessOptions,
  type AnyAccessOptions,
  access,
  checkNode,
  type FolderAccess,
  type FolderAccessOptions,
  type ManifestAccess,
  type ManifestAccessOptions,
  type StreamAccess,
  type StreamAccessOptions,
} from './access/index.ts'
import { DatasetHandle } from './dataset-handle.ts'
import { type Downloaded, type DownloadOptions, download } from './download.ts'
import type { Manifests } from './manifests.ts'
import { type Materialized, type MaterializeOptions, materialize } from './materialize/index.ts'
import { type DatasetFile, locate, type OpenOptions, openFile } from './read/index.ts'
import { ReadSession } from './read-session.ts'

export interface CreateDatasetOptions {
  name: string
  description?: string
  tags?: string[]
}

/** The datasets as one actor sees them. */
export class Datasets {
  readonly #context: Context
  readonly #manifests: Manifests
  readonly #actor: Actor
  readonly #published: () => void
  readonly #ensure: EnsureReplica

  constructor(context: Context, manifests: Manifests, actor: Actor, published: () => void, ensure: EnsureReplica) {
    this.#context = context
    this.#manifests = manifests
    this.#actor = actor
    this.#published = published
    this.#ensure = ensure
  }

  /** @throws StowageError `conflict` when the actor has a dataset of this name, `invalid-request` when the name cannot be one */
  async create(options: CreateDatasetOptions): Promise<DatasetHandle> {
    const { catalog, random, clock } = this.#context
    checkName(options.name)
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
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, options)
    return openFile(this.#context, place, path, options)
  }

  /**
   * Ordered ways to a version for a program that reads by itself, best first, with when they end and why they are in this order:
   *
   * - `url`: presigned URLs of one file;
   * - `mount`: paths of one file on the node that asks, or folders in which the whole version lies as it is;
   * - `stream`: one file through this process, as {@link open} gives it;
   * - `manifest`: a document with ways to all files, for loaders.
   *
   * @throws StowageError `not-found`; `no-source` when no copy can be read; `not-supported` when no source gives such a way;
   * `invalid-request` naming the option that is wrong
   * @example
   * ```ts
   * const { stream } = await node.datasets.access(cats.id, { mode: 'manifest', node: 'gpu-7', prefix: 'train/' })
   * await pipeline(stream, createWriteStream('cats.jsonl'))
   * ```
   */
  access(datasetId: string, options: AccessOptions): Promise<Access>
  access(datasetId: string, options: FolderAccessOptions): Promise<FolderAccess>
  access(datasetId: string, options: StreamAccessOptions): Promise<StreamAccess>
  access(datasetId: string, options: ManifestAccessOptions): Promise<ManifestAccess>
  access(datasetId: string, options: AnyAccessOptions): Promise<Access | FolderAccess | StreamAccess | ManifestAccess> {
    return access(this.#context, this.#manifests, this.#actor, datasetId, options)
  }

  /**
   * Makes a version into a folder for programs that read files: hard links into a cache that versions and processes share, or symbolic links
   * into a source that is mounted here. Every file appears when its bytes were found right; stopped or killed, the same call goes on.
   *
   * @throws StowageError `conflict` when the folder holds another version or a file that was changed, `unsafe` when it holds anything else,
   * `invalid-key` for a path that the disk cannot have, `no-space`, or what {@link open} throws
   * @example
   * ```ts
   * const { files, reused, fetchedBytes } = await node.datasets.materialize(cats.id, { dir: '/scratch/cats', cacheDir: '/scratch/cache' })
   * ```
   */
  async materialize(datasetId: string, options: MaterializeOptions): Promise<Materialized> {
    const { version, node, signal } = options
    checkNode(this.#context, node)
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, {
      ...(version === undefined ? {} : { version }),
      ...(signal === undefined ? {} : { signal }),
      ...(node === undefined ? {} : { request: { node } }),
    })
    return materialize(this.#context, place, options)
  }

  /**
   * Makes sure that a version is near: answers at once when a ready copy on a healthy source is, else has one made and waits for it. However many
   * ask for the same, in whichever processes, one copy is made.
   *
   * @returns `pending` when the deadline came first: the copy goes on, in this process or, once that is closed, as a task of the queue
   * @throws StowageError `no-source` when no source there can take it, `no-space` when those that could are full, `not-found`,
   * `invalid-request` naming the option that is wrong; what ended the copy
   * @example
   * ```ts
   * const { status, sourceId } = await node.datasets.ensureReplica(cats.id, { region: 'cn-sz', deadlineMs: 600_000 })
   * ```
   */
  ensureReplica(datasetId: string, options: EnsureOptions = {}): Promise<Ensured> {
    return this.#ensure.run(this.#actor, datasetId, options)
  }

  /**
   * Keeps a dataset, or one version of it, from being evicted from caches, or from one of them. Who did so first is remembered.
   * @throws StowageError `not-found`
   */
  async pin(datasetId: string, options: { version?: number; sourceId?: string } = {}): Promise<Pin> {
    const { catalog, events, sources } = this.#context
    if (options.sourceId !== undefined) sources.get(options.sourceId)
    if (options.version !== undefined && (await catalog.getVersion(datasetId, options.version)) === undefined) {
      throw new StowageError('not-found', `Dataset ${datasetId} has no version ${options.version}.`)
    }
    const wanted = { datasetId, ...pinned(options), pinnedBy: authorOf(this.#actor) }
    const pin = await catalog.pin(wanted)
    events.emit('dataset.pinned', wanted)
    return pin
  }

  /** Takes a pin back. Returns whether there was one. */
  async unpin(datasetId: string, options: { version?: number; sourceId?: string } = {}): Promise<boolean> {
    const { catalog, events } = this.#context
    const unwanted = { datasetId, ...pinned(options) }
    if (!(await catalog.unpin(unwanted))) return false
    events.emit('dataset.unpinned', { ...unwanted, unpinnedBy: authorOf(this.#actor) })
    return true
  }

  /** The pins of a dataset, or of all. */
  pins(datasetId?: string): Promise<Pin[]> {
    return this.#context.catalog.listPins(datasetId)
  }

  /**
   * Reads many files of one version from one source.
   *
   * @param options.version @defaultValue the newest at the first read; later reads are of the same
   * @example
   * ```ts
   * const epoch = node.datasets.session(cats.id)
   * for (const path of paths) await use((await epoch.open(path)).stream)
   * ```
   */
  session(datasetId: string, options: { version?: number } = {}): ReadSession {
    return new ReadSession(this.#context, this.#manifests, this.#actor, datasetId, options)
  }

  /** The files of a version, in byte order of their paths. */
  async *files(
    datasetId: string,
    options: { version?: number; prefix?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<ManifestEntry> {
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, options)
    yield* place.manifest.entries(options.prefix)
  }

  /**
   * Downloads a version into a folder. Each file appears when its digest was found right; those that are there with the right bytes are not
   * fetched again.
   * @throws StowageError the first failure; files that were finished stay
   */
  async download(datasetId: string, directory: string, options: DownloadOptions = {}): Promise<Downloaded> {
    const place = await locate(this.#context, this.#manifests, this.#actor, datasetId, options)
    return download(this.#context, place, directory, options)
  }

  #handle(dataset: Pick<Dataset, 'id' | 'name'>): DatasetHandle {
    return new DatasetHandle(this.#context, this.#manifests, this.#actor, dataset, this.#published)
  }
}

function pinned({ version, sourceId }: { version?: number; sourceId?: string }): {
  version?: number
  sourceId?: string
} {
  return { ...(version === undefined ? {} : { version }), ...(sourceId === undefined ? {} : { sourceId }) }
}

/** @throws StowageError `invalid-request` for what cannot be the name of a dataset */
function checkName(name: string): void {
  if (name.trim() === '' || name.length > 200 || !name.isWellFormed()) {
    throw new StowageError('invalid-request', 'A dataset needs a name of 1 to 200 characters.', { field: 'name' })
  }
  if (/\p{Cc}/u.test(name)) {
    throw new StowageError('invalid-request', 'The name of a dataset has no control characters.', { field: 'name' })
  }
}
