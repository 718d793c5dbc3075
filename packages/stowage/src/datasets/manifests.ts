import { checkManifestObject, type DatasetReplica, type DatasetVersion, type Events, Manifest } from '@stowage/core'
import type { Sources } from '../sources/index.ts'
import { readSmall } from './objects.ts'
import { firstOf, type Place, placesOf } from './places.ts'

/** Manifests kept open, at most. */
const KEPT = 32

interface Kept {
  /** Where its objects are fetched from: the replicas that the last caller named. */
  source: { places: Place[] }
  opening: Promise<Manifest>
}

/** Opens manifests from whichever replica has them whole, and keeps the ones used last: they never change. */
export class Manifests {
  readonly #sources: Sources
  readonly #events: Events
  readonly #open = new Map<string, Kept>()

  constructor(sources: Sources, events: Events) {
    this.#sources = sources
    this.#events = events
  }

  /**
   * The manifest of a version, read from the replicas in the order given. An object that is damaged or missing on one comes from the next.
   * @throws StowageError when no replica has it whole
   */
  async of(
    version: Pick<DatasetVersion, 'datasetId' | 'manifest'>,
    replicas: readonly Pick<DatasetReplica, 'sourceId' | 'path'>[],
  ): Promise<Manifest> {
    const { manifest: digest, datasetId } = version
    const places = placesOf(this.#sources, replicas)
    const kept = this.#open.get(digest)
    if (kept !== undefined) {
      kept.source.places = places
      this.#open.delete(digest)
      this.#open.set(digest, kept)
      return kept.opening
    }
    const source = { places }
    const opening = Manifest.open(digest, (key) => this.#fetch(source.places, datasetId, key))
    const opened: Kept = { source, opening }
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

  #fetch(places: readonly Place[], datasetId: string, key: string): Promise<Uint8Array> {
    return firstOf(places, { name: 'The manifest', key, datasetId, events: this.#events }, async (place) => {
      const bytes = await readSmall(await place.adapter(), place.path + key)
      await checkManifestObject(key, bytes)
      return bytes
    })
  }
}
