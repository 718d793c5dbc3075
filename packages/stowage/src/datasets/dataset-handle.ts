import {
  type Actor,
  type Dataset,
  type DatasetReplica,
  type DatasetStatus,
  type DatasetVersion,
  type Draft,
  datasetStatus,
  hasCode,
  type Manifest,
  StowageError,
} from '@stowage/core'
import type { Decision } from '@stowage/router'
import { authorOf, type Context } from '../app/context.ts'
import { type ScrubStatus, scrubStatus } from '../scrub/index.ts'
import { localSourceOf, OpenDraft, type UploadedFolder, type UploadFolderOptions } from './draft.ts'
import type { Manifests } from './manifests.ts'
import { publishDraft } from './publish.ts'

export interface UploadOptions extends UploadFolderOptions {
  /** What the version is about. @defaultValue empty */
  message?: string
  /** Id of an unpublished draft to go on with. */
  draft?: string
  /**
   * Go on with what an upload of the same folder by the same actor left behind, if there is such a draft, it follows the newest version and
   * the folder is still what it was. @defaultValue false
   */
  resume?: boolean
  /** The new version holds only what is uploaded now, rather than the newest version's files too. @defaultValue false */
  replace?: boolean
}

/** What a finished upload published. */
export interface Uploaded extends UploadedFolder {
  version: DatasetVersion
  sourceId: string
  draftId: string
  /** Why it went to that source; absent when an earlier draft was gone on with. */
  decision?: Decision
}

/** A dataset's record with what is derived from its parts. */
export interface DatasetView extends Dataset {
  status: DatasetStatus
  replicas: DatasetReplica[]
  /** When its replicas were last read against their digests, and what was found. */
  scrubs: ScrubStatus[]
}

/** A dataset as one actor sees it. */
export class DatasetHandle {
  readonly id: string
  readonly name: string
  readonly #context: Context
  readonly #manifests: Manifests
  readonly #actor: Actor
  readonly #published: () => void

  constructor(
    context: Context,
    manifests: Manifests,
    actor: Actor,
    dataset: Pick<Dataset, 'id' | 'name'>,
    published: () => void,
  ) {
    this.#context = context
    this.#manifests = manifests
    this.#actor = actor
    this.id = dataset.id
    this.name = dataset.name
    this.#published = published
  }

  /** Everything known of it: counts, status, replicas. */
  async show(): Promise<DatasetView> {
    const dataset = await this.#dataset()
    const replicas = await this.#context.catalog.listReplicas(this.id)
    const openDrafts = await this.#context.catalog.countOpenDrafts(this.id)
    const status = datasetStatus({ version: dataset.version, openDrafts, replicas })
    const scrubs: ScrubStatus[] = []
    for await (const scrub of scrubStatus(this.#context, this.id)) scrubs.push(scrub)
    return { ...dataset, status, replicas, scrubs }
  }

  /** Published versions, newest first. */
  versions(): Promise<DatasetVersion[]> {
    return this.#context.catalog.listVersions(this.id)
  }

  /**
   * Begins an upload: routing chooses the source by who the actor is. A dataset that has versions already is gone on with where they lie.
   * @throws StowageError `no-source` when no source may be written to
   */
  async draft(): Promise<{ draft: OpenDraft; decision: Decision }> {
    const dataset = await this.#dataset()
    const { catalog, sources, clock, random } = this.#context
    await sources.fresh()
    const replicas = dataset.version === 0 ? [] : await catalog.listReplicas(this.id, dataset.version)
    const ready = new Map(replicas.flatMap((r) => (r.status === 'ready' ? [[r.sourceId, r.path]] : [])))
    const excludeSources = dataset.version === 0 ? [] : sources.list().flatMap(({ id }) => (ready.has(id) ? [] : [id]))
    const decision = await this.#context.decide({
      purpose: 'write',
      actor: this.#actor,
      datasetId: this.id,
      tags: dataset.tags,
      ...(excludeSources.length === 0 ? {} : { excludeSources }),
    })
    const [best] = decision.candidates
    if (best === undefined) {
      throw new StowageError('no-source', `No source can take an upload to "${this.name}".`, {
        hint: decision.dropped.map((drop) => `${drop.sourceId}: ${drop.reason}`).join('; '),
      })
    }
    const draft = await catalog.createDraft({
      id: random.id(clock.now()),
      datasetId: this.id,
      sourceId: best.sourceId,
      // Keys of files that stay are relative to the path of the version before.
      path: ready.get(best.sourceId) ?? `${sources.datasetRoot(best.sourceId)}${this.id}/`,
      baseVersion: dataset.version,
      author: authorOf(this.#actor),
    })
    return { draft: new OpenDraft(this.#context, draft), decision }
  }

  /** An unpublished draft, to go on with. @throws StowageError `not-found`, or `conflict` when it is closed or another version came first */
  async resumeDraft(id: string): Promise<OpenDraft> {
    const draft = await this.#context.catalog.getDraft(id)
    if (draft === undefined || draft.datasetId !== this.id) {
      throw new StowageError('not-found', `Dataset "${this.name}" has no draft "${id}".`)
    }
    if (draft.status !== 'open') throw new StowageError('conflict', `Draft "${id}" is ${draft.status} already.`)
    const { version } = await this.#dataset()
    if (draft.baseVersion !== version) {
      throw new StowageError(
        'conflict',
        `Draft "${id}" follows version ${draft.baseVersion}, and version ${version} was published meanwhile.`,
        { hint: 'Begin a new draft.' },
      )
    }
    return new OpenDraft(this.#context, draft)
  }

  /**
   * Makes a draft the next version. Policies on `publish` start from here.
   * @throws StowageError `conflict` when another version came first
   */
  async publish(
    draft: OpenDraft,
    options: { message?: string; replace?: boolean; signal?: AbortSignal } = {},
  ): Promise<DatasetVersion> {
    const base = options.replace === true ? undefined : await this.#base(draft.draft)
    const version = await publishDraft(this.#context, draft.draft, {
      message: options.message ?? '',
      base,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
    this.#published()
    return version
  }

  /**
   * Uploads a folder (or one file) and publishes it as the next version: draft, upload, verify, publish.
   *
   * @example
   * ```ts
   * const { version } = await cats.upload('./cats', { onProgress: (p) => bar.update(p.bytes, p.totalBytes) })
   * ```
   */
  async upload(path: string, options: UploadOptions = {}): Promise<Uploaded> {
    const left = options.resume === true && options.draft === undefined ? await this.#left(path) : undefined
    if (left !== undefined) {
      const uploaded = await left.uploadFolder(path, options).catch((error) => {
        // A file that was changed since it was sent: its key is taken, so the folder goes into a new draft.
        if (!hasCode(error, 'conflict')) throw error
      })
      // A file that was removed since it was sent would be published with the others.
      if (uploaded !== undefined && uploaded.files === (await left.countFiles())) {
        return this.#publishUpload(left, uploaded, options)
      }
    }
    if (options.draft !== undefined) {
      const draft = await this.resumeDraft(options.draft)
      return this.#publishUpload(draft, await draft.uploadFolder(path, options), options)
    }
    const { draft, decision } = await this.draft()
    try {
      return { ...(await this.#publishUpload(draft, await draft.uploadFolder(path, options), options)), decision }
    } catch (error) {
      // A draft that never received a file is of no use to anybody.
      if (hasCode(error, 'configuration', 'invalid-request')) await this.#context.catalog.discardDraft(draft.id)
      throw error
    }
  }

  async #publishUpload(draft: OpenDraft, uploaded: UploadedFolder, options: UploadOptions): Promise<Uploaded> {
    const version = await this.publish(draft, options)
    return { ...uploaded, version, sourceId: draft.draft.sourceId, draftId: draft.id }
  }

  /** The manifest of the version that a draft follows, from wherever it can be read. */
  async #base({ baseVersion, sourceId }: Draft): Promise<Manifest | undefined> {
    if (baseVersion === 0) return undefined
    const { catalog } = this.#context
    const version = await catalog.getVersion(this.id, baseVersion)
    if (version === undefined)
      throw new StowageError('not-found', `Dataset "${this.name}" has no version ${baseVersion}.`)
    const ready = (await catalog.listReplicas(this.id, baseVersion)).filter((replica) => replica.status === 'ready')
    const own = ready.filter((replica) => replica.sourceId === sourceId)
    return this.#manifests.of(version, [...own, ...ready.filter((replica) => replica.sourceId !== sourceId)])
  }

  /** The newest open draft into which the same actor uploaded the same folder. */
  async #left(path: string): Promise<OpenDraft | undefined> {
    const { catalog, sync } = this.#context
    const { version } = await this.#dataset()
    const author = authorOf(this.#actor)
    const drafts = (await catalog.listDrafts(this.id)).filter((d) => d.author === author && d.baseVersion === version)
    if (drafts.length === 0) return undefined
    const source = await localSourceOf(path)
    const targets = new Set<string>()
    for await (const task of sync.tasks.list()) {
      if (task.datasetId === this.id && task.sourceId === source) targets.add(task.targetPrefix)
    }
    const found = drafts.findLast((draft) => targets.has(`${draft.path}${draft.id}/`))
    return found === undefined ? undefined : new OpenDraft(this.#context, found)
  }

  async #dataset(): Promise<Dataset> {
    const dataset = await this.#context.catalog.getDataset(this.id)
    if (dataset === undefined) throw new StowageError('not-found', `There is no dataset "${this.id}".`)
    return dataset
  }
}
