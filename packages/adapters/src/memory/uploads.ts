import type { Checksum, ObjectAttributes, UnfinishedUpload, UploadedPart } from '@stowage/core'

/** A part and its bytes. */
interface MemoryPart {
  readonly part: UploadedPart
  readonly bytes: Uint8Array
}

/** An unfinished upload. */
export interface MemoryUpload {
  readonly key: string
  readonly headers: ObjectAttributes
  readonly initiated: number
  readonly parts: Map<number, MemoryPart>
}

/** The unfinished uploads of one memory adapter. */
export class MemoryUploads {
  readonly #uploads = new Map<string, MemoryUpload>()
  #parts = 0

  create(uploadId: string, key: string, headers: ObjectAttributes, initiated: number): void {
    this.#uploads.set(uploadId, { key, headers, initiated, parts: new Map() })
  }

  /** The upload of this id, if it is one of this key. */
  get(key: string, uploadId: string): MemoryUpload | undefined {
    const upload = this.#uploads.get(uploadId)
    return upload?.key === key ? upload : undefined
  }

  addPart(upload: MemoryUpload, partNumber: number, bytes: Uint8Array, checksum: Checksum | undefined): UploadedPart {
    this.#parts++
    const part: UploadedPart = {
      partNumber,
      etag: `p${this.#parts.toString(36)}`,
      size: bytes.length,
      ...(checksum === undefined ? {} : { checksum }),
    }
    upload.parts.set(partNumber, { part, bytes })
    return part
  }

  delete(uploadId: string): void {
    this.#uploads.delete(uploadId)
  }

  list(key: string): UnfinishedUpload[] {
    const found: UnfinishedUpload[] = []
    for (const [uploadId, upload] of this.#uploads) {
      if (upload.key === key) found.push({ key, uploadId, initiated: upload.initiated })
    }
    return found
  }
}
