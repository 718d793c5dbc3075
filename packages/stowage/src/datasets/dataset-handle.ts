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
  type UploadFailover,
} from '@stowage/core'
import type { Decision } from '@stowage/router'
import { authorOf, type Context } from '../app/context.ts'
import { type ScrubStatus, scrubStatus } from '../scrub/index.ts'
import { OpenDraft } from './draft.ts'
import type { Manifests } from './manifests.ts'
import { publishDraft } from './publish.ts'
import {
  type Begun,
  beginDraft,
  DraftPlace,
  type DraftPlaceOptions,
  localSourceOf,
  type UploadedFolder,
  type UploadFolderOptions,
} from './upload/index.ts'

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
  /**
   * Milliseconds without progress after which the source is asked whether it is there at all. When it is lost, the upload begins again at the
   * next one, in a draft of its own. @defaultValue 10000
   */
  stallMs?: number
}

/** What a finished upload published. */
export interface Uploaded extends UploadedFolder {
  version: DatasetVersion
  sourceId: string
  draftId: string
  /** Why it went to that source; absent when an earlier draft was gone on with. */
  decision?: Decision
  /** Sources that were lost on the way, and where it began again. @defaultValue none */
  failovers?: readonly UploadFailover[]
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
   * While the draft has no file, a source that is lost is left for the next one; its id is another one then.
   * @throws StowageError `no-source` when no source may be written to
   */
  async draft(): Promise<{ draft: OpenDraft; decision: Decision }> {
    const { place, decision } = await this.#begin({})
    return { draft: new OpenDraft(this.#context, place), decision: decision() }
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
    return new OpenDraft(this.#context, new DraftPlace(this.#context, draft))
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
   * Uploads a folder (or one file) and publishes it as the next version: draft, upload, verify, publish. When the source is lost before the
   * version is published, all of it begins again at the next one: `failovers` and the event `upload.failover` tell of it.
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
    const { stallMs } = options
    const { place, decision } = await this.#begin({ isOwn: true, ...(stallMs === undefined ? {} : { stallMs }) })
    const draft = new OpenDraft(this.#context, place)
    for (;;) {
      let at = place.draft
      try {
        const uploaded = await draft.uploadFolder(path, options)
        at = place.draft
        const { signal } = options
        const published = await place.whileAlive({ signal }, (alive) =>
          this.#publishUpload(draft, uploaded, { ...options, ...(alive === undefined ? {} : { signal: alive }) }),
        )
        return { ...published, decision: decision(), failovers: place.failovers }
      } catch (error) {
        // What is lost while the folder is sent is made good there.
        if (place.draft === at && (await place.leave(at, error))) continue
        // A draft that never received a file is of no use to anybody.
        if (hasCode(error, 'configuration', 'invalid-request')) await this.#context.catalog.discardDraft(at.id)
        throw error
      }
    }
  }

  /** Begins a draft, and says where it would go on if its source were lost. */
  async #begin(
    options: Omit<DraftPlaceOptions, 'elsewhere'>,
  ): Promise<{ place: DraftPlace; decision: () => Decision }> {
    const begin = async (tried: readonly string[]): Promise<Begun> =>
      beginDraft(this.#context, await this.#dataset(), this.#actor, tried)
    let begun = await begin([])
    const elsewhere = async (tried: readonly string[]): Promise<Begun> => {
      begun = await begin(tried)
      return begun
    }
    return {
      place: new DraftPlace(this.#context, begun.draft, { ...options, elsewhere }),
      decision: () => begun.decision,
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
    return found === undefined ? undefined : new OpenDraft(this.#context, new DraftPlace(this.#context, found))
  }

  async #dataset(): Promise<Dataset> {
    const dataset = await this.#context.catalog.getDataset(this.id)
    if (dataset === undefined) throw new StowageError('not-found', `There is no dataset "${this.id}".`)
    return dataset
  }
}
