import {
  type Clock,
  compareKeys,
  type ListedObject,
  type ListOptions,
  type ListPage,
  type ObjectAttributes,
  type ObjectEvent,
  type ObjectInfo,
} from '@stowage/core'
import { SortedKeys } from './sorted-keys.ts'

/** One object. Never changed: a write makes another one. */
export interface MemoryObject {
  readonly bytes: Uint8Array
  readonly headers: ObjectAttributes
  readonly etag: string
  readonly lastModified: number
}

/** The objects of one memory adapter: a map for reading, a sorted structure for listing. */
export class MemoryObjects {
  readonly #objects = new Map<string, MemoryObject>()
  readonly #keys = new SortedKeys()
  readonly #clock: Clock
  readonly #watchers = new Set<(event: ObjectEvent) => void>()
  #writes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(key: string): MemoryObject | undefined {
    return this.#objects.get(key)
  }

  /** Keeps an object; from here on it is visible. The bytes are not copied. */
  set(key: string, bytes: Uint8Array, headers: ObjectAttributes): MemoryObject {
    this.#writes++
    const object = { bytes, headers, etag: `m${this.#writes.toString(36)}`, lastModified: this.#clock.now() }
    if (!this.#objects.has(key)) this.#keys.add(key)
    this.#objects.set(key, object)
    const { etag, lastModified: time } = object
    this.#tell({ type: 'created', key, size: bytes.length, etag, time })
    return object
  }

  delete(key: string): void {
    if (!this.#objects.delete(key)) return
    this.#keys.delete(key)
    this.#tell({ type: 'removed', key, time: this.#clock.now() })
  }

  /** Tells of every change from now on. Returns a function that ends it. */
  watch(watcher: (event: ObjectEvent) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  #tell(event: ObjectEvent): void {
    for (const watcher of this.#watchers) watcher(event)
  }

  /** Pages of a listing. Each page is read at once; between pages the objects may change. */
  *pages(options: ListOptions, pageSize: number): Generator<ListPage> {
    const prefix = options.prefix ?? ''
    const startAfter = options.startAfter ?? ''
    const resumes = startAfter !== '' && compareKeys(startAfter, prefix) >= 0
    let cursor = resumes ? { at: startAfter, above: true } : { at: prefix, above: false }
    for (;;) {
      const page: ListPage = { objects: [], prefixes: [] }
      let key: string | undefined
      while (page.objects.length + page.prefixes.length < pageSize) {
        key = this.#keys.seek(cursor.at, cursor.above)
        if (key === undefined || !key.startsWith(prefix)) break
        const folder = options.delimiter === undefined ? undefined : folderOf(key, prefix, options.delimiter)
        if (folder === undefined) {
          page.objects.push(this.#row(key))
          cursor = { at: key, above: true }
        } else {
          page.prefixes.push(folder)
          // Everything in a folder sorts below the folder's name with its slash raised by one, to "0".
          cursor = { at: `${folder.slice(0, -1)}0`, above: false }
        }
      }
      if (page.objects.length + page.prefixes.length === 0) return
      yield page
    }
  }

  #row(key: string): ListedObject {
    const { bytes, etag, lastModified } = this.#objects.get(key) as MemoryObject
    return { key, size: bytes.length, etag, lastModified }
  }
}

/** The folder that a delimiter folds a key into, or `undefined`. */
function folderOf(key: string, prefix: string, delimiter: string): string | undefined {
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

/** What `head` says of an object. */
export function infoOf(key: string, object: MemoryObject): ObjectInfo {
  const { metadata, tags, storageClass: _, ...headers } = object.headers
  return {
    ...headers,
    key,
    size: object.bytes.length,
    etag: object.etag,
    lastModified: object.lastModified,
    metadata: { ...metadata },
    ...(tags === undefined ? {} : { tagCount: Object.keys(tags).length }),
  }
}
