import type { ByteSource, Checksum, Clock, MultipartOperations, UploadedPart } from '@stowage/core'
import { StowageError } from '@stowage/core'
import {
  assertKey,
  assertObjectChecksum,
  assertPartNumber,
  assertParts,
  type Called,
  notFound,
  preconditionFailed,
  resolveRange,
  uploadNotFound,
} from '../shared/index.ts'
import { attributesOf } from './attributes.ts'
import type { MemoryObjects } from './objects.ts'
import type { MemoryUpload, MemoryUploads } from './uploads.ts'

/** What the multipart calls need of their adapter. */
export interface MemoryMultipartParts {
  readonly adapter: Called
  readonly objects: MemoryObjects
  readonly uploads: MemoryUploads
  readonly clock: Clock
  newId(): string
  begin(signal: AbortSignal | undefined): void
  read(
    key: string,
    body: ByteSource,
    size: number | undefined,
    checksum: Checksum | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array>
}

/** The multipart calls of the memory adapter. */
export function memoryMultipart(parts: MemoryMultipartParts): MultipartOperations {
  const { adapter, objects, uploads } = parts

  function find(key: string, uploadId: string): MemoryUpload {
    assertKey(adapter, key)
    const upload = uploads.get(key, uploadId)
    if (upload === undefined) throw uploadNotFound(adapter, key)
    return upload
  }

  return {
    async create(key, options = {}) {
      parts.begin(options.signal)
      assertKey(adapter, key)
      assertObjectChecksum(adapter, options.objectChecksum)
      const uploadId = parts.newId()
      uploads.create(uploadId, key, attributesOf(adapter, options), parts.clock.now())
      return { uploadId }
    },

    async uploadPart(key, uploadId, partNumber, body, options = {}) {
      parts.begin(options.signal)
      assertPartNumber(adapter, partNumber)
      find(key, uploadId)
      const bytes = await parts.read(key, body, options.size, options.checksum, options.signal)
      return uploads.addPart(find(key, uploadId), partNumber, bytes, options.checksum)
    },

    async uploadPartCopy(key, uploadId, partNumber, sourceKey, options) {
      parts.begin(options.signal)
      assertPartNumber(adapter, partNumber)
      const upload = find(key, uploadId)
      const source = objects.get(sourceKey)
      if (source === undefined) throw notFound(adapter, sourceKey)
      if (options.sourceIfMatch !== undefined && options.sourceIfMatch !== source.etag) {
        throw preconditionFailed(adapter, sourceKey, 'has changed')
      }
      const { start, length } = resolveRange(adapter, sourceKey, options.range, source.bytes.length)
      return uploads.addPart(upload, partNumber, source.bytes.slice(start, start + length), undefined)
    },

    async listParts(key, uploadId, options = {}) {
      parts.begin(options.signal)
      const all = [...find(key, uploadId).parts.values()].map(({ part }) => part)
      return all.sort((a, b) => a.partNumber - b.partNumber)
    },

    async complete(key, uploadId, chosen, options = {}) {
      parts.begin(options.signal)
      const upload = find(key, uploadId)
      assertParts(adapter, chosen)
      const bytes = Buffer.concat(chosen.map((part) => bytesOf(adapter, key, upload, part)))
      if (options.ifNoneMatch !== undefined && objects.get(key) !== undefined) {
        throw preconditionFailed(adapter, key, 'exists already')
      }
      const { ifMatch } = options
      if (ifMatch !== undefined && objects.get(key)?.etag !== ifMatch) {
        throw preconditionFailed(adapter, key, objects.get(key) === undefined ? 'does not exist' : 'has changed')
      }
      uploads.delete(uploadId)
      return { etag: objects.set(key, bytes, upload.headers).etag }
    },

    async abort(key, uploadId, options = {}) {
      parts.begin(options.signal)
      if (uploads.get(key, uploadId) !== undefined) uploads.delete(uploadId)
    },

    async list(key, options = {}) {
      parts.begin(options.signal)
      assertKey(adapter, key)
      return uploads.list(key)
    },
  }
}

function bytesOf(adapter: Called, key: string, upload: MemoryUpload, wanted: UploadedPart): Uint8Array {
  const found = upload.parts.get(wanted.partNumber)
  if (found !== undefined && found.part.etag === wanted.etag) return found.bytes
  throw new StowageError(
    'invalid-request',
    `${adapter.id}: part ${wanted.partNumber} of ${JSON.stringify(key)} is not the one the store has.`,
    {
      key,
      sourceId: adapter.id,
      hint: 'Ask listParts for the parts that are there.',
    },
  )
}
