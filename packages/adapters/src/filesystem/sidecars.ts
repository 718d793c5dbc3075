import { createHash } from 'node:crypto'
import { errnoOf, type FileSystem, type ObjectHeaders } from '@stowage/core'
import { contentTypeOf } from './content-type.ts'
import { isMissing } from './errors.ts'
import { etagOf, type FileStatus } from './etag.ts'
import type { Place } from './place.ts'

/** The version of the sidecar's format. */
const format = 1

/** What a sidecar file holds, as JSON. */
interface Sidecar {
  format: number
  key: string
  headers: ObjectHeaders
}

/**
 * Headers and metadata that a plain file cannot carry, in `.stowage-fs/meta/<2 hex>/<hash of the key>.<etag>.json`.
 *
 * The etag in the name binds a sidecar to one state of the file: it is written before the file becomes visible, so that an object never
 * appears without its metadata, and a file that somebody else replaced simply has none.
 */
export class Sidecars {
  readonly #fs: FileSystem
  readonly #place: Place
  readonly #newId: () => string

  constructor(fs: FileSystem, place: Place, newId: () => string) {
    this.#fs = fs
    this.#place = place
    this.#newId = newId
  }

  /** What `head` says of a file: the headers it was written with, or those that follow from its name. */
  async read(key: string, status: FileStatus): Promise<ObjectHeaders & { metadata: Record<string, string> }> {
    const derived = { contentType: contentTypeOf(key), metadata: {} }
    try {
      const sidecar = JSON.parse(await this.#fs.readFile(this.#path(key, status), 'utf8')) as Sidecar
      if (sidecar.format !== format || sidecar.key !== key) return derived
      return { ...derived, ...sidecar.headers }
    } catch (error) {
      // A file that is no JSON was cut short by a power failure: the object is whole, its metadata is not.
      if (isMissing(error) || error instanceof SyntaxError) return derived
      throw error
    }
  }

  /** Writes the sidecar of a file that will become visible with this status, if it needs one. */
  async write(key: string, status: FileStatus, headers: ObjectHeaders): Promise<void> {
    if (!needsSidecar(key, headers)) return
    const path = this.#path(key, status)
    const sidecar: Sidecar = { format, key, headers }
    const temporary = this.#place.work('tmp', this.#newId())
    const handle = await this.#fs.open(temporary, 'wx')
    try {
      await handle.writeFile(JSON.stringify(sidecar))
    } finally {
      await handle.close()
    }
    try {
      await this.#fs.rename(temporary, path)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      await this.#fs.mkdir(path.slice(0, path.lastIndexOf('/')), { recursive: true })
      await this.#fs.rename(temporary, path)
    }
  }

  /** Removes the sidecar of a state that the file does not have any more. */
  async remove(key: string, status: FileStatus): Promise<void> {
    try {
      await this.#fs.unlink(this.#path(key, status))
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  #path(key: string, status: FileStatus): string {
    const hash = createHash('sha256').update(key).digest('hex').slice(0, 40)
    return this.#place.work('meta', hash.slice(0, 2), `${hash.slice(2)}.${etagOf(status)}.json`)
  }
}

function needsSidecar(key: string, headers: ObjectHeaders): boolean {
  const { contentType, metadata, ...others } = headers
  if (contentType !== undefined && contentType !== contentTypeOf(key)) return true
  return Object.keys(others).length > 0 || Object.keys(metadata ?? {}).length > 0
}
