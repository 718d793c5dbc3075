import { checkManifestObject, type DatasetReplica, type DatasetVersion, Manifest, readAll } from '@stowage/core'
import type { Context } from '../app/context.ts'
import { SMALL_OBJECT } from './objects.ts'
import { firstOf, type Place, placesOf } from './places.ts'
import { type Patience, patienceOf } from './read/patience.ts'
import type { OnBad } from './read/suspect.ts'

/** Manifests kept open, at most. */
const KEPT = 32

/** Where the objects of a manifest are fetched from, as the last caller said. */
interface Source extends ManifestOptions {
  datasetId: string
  places: Place[]
}

interface Kept {
  from: { source: Source }
  opening: Promise<Manifest>
}

export interface ManifestOptions {
  /** How long a replica may be silent while another one is left. @defaultValue what reads have by default */
  patience?: Patience
  /** Told of replicas that failed to give an object of it. */
  onBad?: OnBad
}

/** Opens manifests from whichever replica has them whole, and keeps the ones used last: they never change. */
export class Manifests {
  readonly #context: Context
  readonly #open = new Map<string, Kept>()

  constructor(context: Context) {
    this.#context = context
  }

  /**
   * The manifest of a version, read from the replicas in the order given. An object that is damaged or missing on one comes from the next.
   * @throws StowageError when no replica has it whole
   */
  async of(
    version: Pick<DatasetVersion, 'datasetId' | 'manifest'>,
    replicas: readonly Pick<DatasetReplica, 'sourceId' | 'path'>[],
    options: ManifestOptions = {},
  ): Promise<Manifest> {
    const { manifest: digest, datasetId } = version
    const source: Source = { ...options, datasetId, places: placesOf(this.#context.sources, replicas) }
    const kept = this.#open.get(digest)
    if (kept !== undefined) {
      kept.from.source = source
      this.#open.delete(digest)
      this.#open.set(digest, kept)
      return kept.opening
    }
    const from = { source }
    const opening = Manifest.open(digest, (key) => this.#fetch(from.source, key))
    const opened: Kept = { from, opening }
    this.#open.set(digest, opened)
    opening.catch(() => {
      if (this.#open.get(digest) === opened) this.#open.delete(digest)
    })
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= KEPT) break
      this.#open.delete(oldest)
    }
    return opening
  }

  #fetch(
    { places, datasetId, onBad, patience = patienceOf(this.#context, undefined) }: Source,
    key: string,
  ): Promise<Uint8Array> {
    const { events } = this.#context
    const asked = { name: 'The manifest', key, datasetId, events, patience, onBad }
    return firstOf(places, asked, async (_place, bytes) => {
      const object = await readAll(bytes(key), SMALL_OBJECT)
      await checkManifestObject(key, object)
      return object
    })
  }
}
