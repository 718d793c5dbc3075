import { createHash, randomBytes } from 'node:crypto'
import { crc64 } from './crc64.ts'
import { OssError } from './errors.ts'
import { SortedKeys } from './sorted-keys.ts'

/** How an object lies in the store, beside its bytes and headers. */
export interface Attributes {
  readonly storageClass: string
  readonly tags: ReadonlyMap<string, string>
  /** Headers that tell of the encryption. */
  readonly encryption: Readonly<Record<string, string>>
}

/** One version of an object, or a marker that says it was deleted. */
export interface StoredObject {
  readonly versionId: string
  readonly bytes: Buffer
  /** In upper case, without quotes. */
  readonly etag: string
  readonly crc: bigint
  readonly type: 'Normal' | 'Multipart' | 'Symlink' | 'Appendable'
  /** Of a symbolic link. */
  readonly target?: string
  tags: ReadonlyMap<string, string>
  /** Headers that tell how it is encrypted. */
  readonly encryption: Readonly<Record<string, string>>
  /** Headers as they were sent: `content-type`, `x-oss-meta-*` and their like. */
  readonly headers: Readonly<Record<string, string>>
  readonly storageClass: string
  readonly lastModified: number
  readonly isDeleteMarker?: true
  /** Of an archived object: being restored, or readable. */
  restore?: 'ongoing' | 'done'
}

interface StoredPart {
  readonly bytes: Buffer
  readonly etag: string
  readonly crc: bigint
  readonly lastModified: number
}

interface Upload {
  readonly id: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly attributes: Attributes
  readonly forbidOverwrite: boolean
  readonly initiated: number
  readonly parts: Map<number, StoredPart>
}

export type Versioning = 'Enabled' | 'Suspended'

/** What an object is made of. */
export interface NewObject
  extends Pick<StoredObject, 'bytes' | 'headers' | 'storageClass' | 'lastModified' | 'target'>,
    Partial<Omit<Attributes, 'storageClass'>> {
  /** Entity tags of the parts it was uploaded in. */
  readonly parts?: readonly string[]
  readonly appendable?: boolean
}

function typeOf({ parts, target, appendable }: NewObject): StoredObject['type'] {
  if (target !== undefined) return 'Symlink'
  if (appendable === true) return 'Appendable'
  return parts === undefined ? 'Normal' : 'Multipart'
}

/** The MD5 of some bytes in upper-case hexadecimal digits, which is an object's ETag. */
function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex').toUpperCase()
}

/** A bucket in memory. */
export class Bucket {
  readonly name: string
  versioning: Versioning | undefined
  /** Rules as they are set, without the element around them. */
  cors: string | undefined
  lifecycle: string | undefined
  /** Whoever asks must say that he pays. */
  requesterPays = false
  readonly uploads: Map<string, Upload> = new Map()
  /** The versions of each key, the newest first. */
  readonly #objects = new Map<string, StoredObject[]>()
  readonly #sorted = new SortedKeys()

  constructor(name: string) {
    this.name = name
  }

  get isEmpty(): boolean {
    return this.#objects.size === 0 && this.uploads.size === 0
  }

  /** All keys with a version, in the order of their UTF-8 bytes. */
  keys(): string[] {
    return [...this.#sorted.from('')]
  }

  /** Those of them at a position and after it, one by one: the bucket must not change meanwhile. */
  keysFrom(position: string): Iterable<string> {
    return this.#sorted.from(position)
  }

  versions(key: string): readonly StoredObject[] {
    return this.#objects.get(key) ?? []
  }

  /** The current object, unless it was deleted. */
  current(key: string): StoredObject | undefined {
    const [newest] = this.versions(key)
    return newest?.isDeleteMarker ? undefined : newest
  }

  /** @throws OssError `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` */
  find(key: string, versionId: string | undefined): StoredObject {
    if (versionId === undefined) {
      const object = this.current(key)
      if (object === undefined) throw new OssError('NoSuchKey', 'The specified key does not exist.', { Key: key })
      return object
    }
    const object = this.versions(key).find((version) => version.versionId === versionId)
    if (object === undefined) throw new OssError('NoSuchVersion', 'The specified version does not exist.')
    if (object.isDeleteMarker) throw new OssError('MethodNotAllowed', 'The version is a delete marker.')
    return object
  }

  /** Refuses to write over an object. Where a bucket keeps versions, or did, OSS does not look. @throws OssError `FileAlreadyExists` */
  assertOverwrite(key: string, forbid: boolean): void {
    if (!forbid || this.versioning !== undefined || this.current(key) === undefined) return
    throw new OssError('FileAlreadyExists', 'The object you specified already exists and can not be overwritten.')
  }

  put(key: string, object: NewObject): StoredObject {
    const { bytes, headers, storageClass, lastModified, parts, target, appendable, tags, encryption = {} } = object
    const whole = parts === undefined ? md5(bytes) : `${md5(Buffer.from(parts.join(''), 'hex'))}-${parts.length}`
    // What a key service encrypts has an entity tag that is no MD5 of the bytes; nor has what grows.
    const isMd5 = encryption['x-oss-server-side-encryption'] !== 'KMS' && appendable !== true
    return this.#add(key, {
      versionId: this.#newVersion(),
      bytes,
      etag: isMd5 ? whole : md5(randomBytes(16)),
      crc: crc64(bytes),
      type: typeOf(object),
      headers,
      storageClass,
      lastModified,
      tags: tags ?? new Map(),
      encryption,
      ...(target === undefined ? {} : { target }),
    })
  }

  /** Deletes the current object or one version. Says what became of it. */
  delete(key: string, versionId: string | undefined, now: number): { versionId?: string; isDeleteMarker?: true } {
    if (versionId !== undefined) {
      const gone = this.versions(key).find((version) => version.versionId === versionId)
      this.#set(
        key,
        this.versions(key).filter((version) => version !== gone),
      )
      return { versionId, ...(gone?.isDeleteMarker ? { isDeleteMarker: true } : {}) }
    }
    if (this.versioning === undefined) {
      this.#set(key, [])
      return {}
    }
    const marker = this.#add(key, {
      versionId: this.#newVersion(),
      bytes: Buffer.alloc(0),
      etag: '',
      crc: 0n,
      type: 'Normal',
      headers: {},
      storageClass: 'Standard',
      lastModified: now,
      isDeleteMarker: true,
      tags: new Map(),
      encryption: {},
    })
    return { versionId: marker.versionId, isDeleteMarker: true }
  }

  /** @throws OssError `NoSuchUpload` */
  upload(key: string, id: string | undefined): Upload {
    const upload = id === undefined ? undefined : this.uploads.get(id)
    if (upload?.key !== key) throw new OssError('NoSuchUpload', 'The specified upload does not exist.')
    return upload
  }

  createUpload(key: string, upload: Pick<Upload, 'headers' | 'attributes' | 'forbidOverwrite' | 'initiated'>): Upload {
    const created: Upload = { ...upload, id: randomBytes(16).toString('hex').toUpperCase(), key, parts: new Map() }
    this.uploads.set(created.id, created)
    return created
  }

  putPart(upload: Upload, number: number, bytes: Buffer, now: number): StoredPart {
    const part: StoredPart = { bytes, etag: md5(bytes), crc: crc64(bytes), lastModified: now }
    upload.parts.set(number, part)
    return part
  }

  #newVersion(): string {
    return this.versioning === 'Enabled' ? `CAEQ${randomBytes(12).toString('hex')}` : 'null'
  }

  #add(key: string, object: StoredObject): StoredObject {
    const older = this.versions(key).filter((version) => version.versionId !== object.versionId)
    this.#set(key, [object, ...older])
    return object
  }

  #set(key: string, versions: StoredObject[]): void {
    if (versions.length > 0) {
      if (!this.#objects.has(key)) this.#sorted.add(key)
      this.#objects.set(key, versions)
    } else if (this.#objects.delete(key)) this.#sorted.delete(key)
  }
}

/** Compares texts by their UTF-8 bytes. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
