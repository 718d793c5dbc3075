import {
  type Actor,
  type Dataset,
  type DatasetReplica,
  type DatasetStatus,
  type DatasetVersion,
  datasetStatus,
  hasCode,
  StowageError,
} from '@stowage/core'
import type { Decision } from '@stowage/router'
import { authorOf, type Context } from '../app/context.ts'
import { OpenDraft, type UploadedFolder, type UploadFolderOptions } from './draft.ts'
import type { Manifests } from './manifests.ts'
import { publishDraft } from './publish.ts'

export interface UploadOptions extends UploadFolderOptions {
  /** What the version is about. @defaultValue empty */
  message?: string
  /** Id of an unpublished draft to go on with. */
  draft?: string
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
    return { ...dataset, status: datasetStatus({ version: dataset.version, openDrafts, replicas }), replicas }
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
    const replicas = dataset.version === 0 ? [] : await catalog.listReplicas(this.id, dataset.version)
    const ready = new Set(replicas.filter((replica) => replica.status === 'ready').map((replica) => replica.sourceId))
    const excludeSources = dataset.version === 0 ? [] : sources.list().flatMap(({ id }) => (ready.has(id) ? [] : [id]))
    const decision = this.#context.decide({
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
      path: `${sources.datasetRoot(best.sourceId)}${this.id}/`,
      baseVersion: dataset.version,
      author: authorOf(this.#actor),
    })
    return { draft: new OpenDraft(this.#context, draft), decision }
  }

  /** An unpublished draft, to go on with. @throws StowageError `not-found`, or `conflict` when it is closed */
  async resumeDraft(id: string): Promise<OpenDraft> {
    const draft = await this.#context.catalog.getDraft(id)
    if (draft === undefined || draft.datasetId !== this.id) {
      throw new StowageError('not-found', `Dataset "${this.name}" has no draft "${id}".`)
    }
    if (draft.status !== 'open') throw new StowageError('conflict', `Draft "${id}" is ${draft.status} already.`)
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
    const base =
      draft.draft.baseVersion === 0 || options.replace === true
        ? undefined
        : await this.#context.catalog.getVersion(this.id, draft.draft.baseVersion)
    const place = { sourceId: draft.draft.sourceId, path: draft.draft.path }
    const version = await publishDraft(this.#context, draft.draft, {
      message: options.message ?? '',
      base: base === undefined ? undefined : await this.#manifests.of(base, [place]),
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
    const started: { draft: OpenDraft; decision?: Decision } =
      options.draft === undefined ? await this.draft() : { draft: await this.resumeDraft(options.draft) }
    const { draft, decision } = started
    try {
      const uploaded = await draft.uploadFolder(path, options)
      const version = await this.publish(draft, options)
      return {
        ...uploaded,
        version,
        sourceId: draft.draft.sourceId,
        draftId: draft.id,
        ...(decision === undefined ? {} : { decision }),
      }
    } catch (error) {
      // A draft that never received a file is of no use to anybody.
      if (decision !== undefined && hasCode(error, 'configuration')) await this.#context.catalog.discardDraft(draft.id)
      throw error
    }
  }

  async #dataset(): Promise<Dataset> {
    const dataset = await this.#context.catalog.getDataset(this.id)
    if (dataset === undefined) throw new StowageError('not-found', `There is no dataset "${this.id}".`)
    return dataset
  }
}
