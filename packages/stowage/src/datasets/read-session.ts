import type { Actor } from '@stowage/core'
import type { Context } from '../app/context.ts'
import type { Manifests } from './manifests.ts'
import { type DatasetFile, locate, type OpenOptions, openFile } from './read/index.ts'

/**
 * Many files of one version, read from one source: the first read chooses it, and the others stay with it as long as it is well and no rule
 * speaks against it, also where rules draw a source for each read. One that fails is left for good: the session stays with where its reads
 * went on. What comes nearer meanwhile is taken by the next session, such as the next epoch of a training.
 */
export class ReadSession {
  readonly #context: Context
  readonly #manifests: Manifests
  readonly #actor: Actor
  readonly #datasetId: string
  /** The version that is read; until the first read, `undefined` for the newest. */
  #version: number | undefined
  #sourceId: string | undefined
  #last: DatasetFile | undefined

  constructor(
    context: Context,
    manifests: Manifests,
    actor: Actor,
    datasetId: string,
    options: { version?: number } = {},
  ) {
    this.#context = context
    this.#manifests = manifests
    this.#actor = actor
    this.#datasetId = datasetId
    this.#version = options.version
  }

  /** The source that the session stays with, once something was read. */
  get sourceId(): string | undefined {
    return this.#last?.failovers.at(-1)?.to ?? this.#sourceId
  }

  /** The version that all reads are of, once something was read. */
  get version(): number | undefined {
    return this.#version
  }

  /** Opens a file as `datasets.open` does. @throws StowageError `not-found`, or `no-source` when no copy can be read */
  async open(path: string, options: Omit<OpenOptions, 'version'> = {}): Promise<DatasetFile> {
    const { sourceId } = this
    const version = this.#version
    const place = await locate(this.#context, this.#manifests, this.#actor, this.#datasetId, {
      ...options,
      ...(version === undefined ? {} : { version }),
      ...(sourceId === undefined ? {} : { request: { stayWith: sourceId } }),
    })
    const file = await openFile(this.#context, place, path, options)
    this.#version = place.version.number
    this.#sourceId = place.decision.candidates[0]?.sourceId
    this.#last = file
    return file
  }
}
