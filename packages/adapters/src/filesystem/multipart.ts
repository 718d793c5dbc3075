import type { FileHandle } from 'node:fs/promises'
import { type ByteSource, bodySize, hasCode, type MultipartOperations, type UploadedPart } from '@stowage/core'
import {
  assertKey,
  assertObjectChecksum,
  assertPartNumber,
  assertParts,
  headersOf,
  notFound,
  preconditionFailed,
  resolveRange,
  uploadNotFound,
} from '../shared/index.ts'
import { assemble } from './assemble.ts'
import type { Context } from './context.ts'
import { isMissing, mapFsError } from './errors.ts'
import { etagOf } from './etag.ts'
import { publish } from './publish.ts'
import { FileBody, openForReading, statusOf } from './read.ts'
import { discard, type Expected, writeBody } from './stage.ts'
import { UploadStore } from './upload-store.ts'

/** The multipart calls of the filesystem adapter. `begin` refuses calls after `close` and aborted ones. */
export function filesystemMultipart(
  context: Context,
  begin: (signal: AbortSignal | undefined) => void,
): MultipartOperations {
  const { adapter, fs } = context
  const uploads = new UploadStore(context)

  /** Checks that every call makes, and the one place where errno codes are mapped. */
  async function call<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    begin(signal)
    assertKey(adapter, key)
    try {
      return await work()
    } catch (error) {
      throw mapFsError(adapter, error, JSON.stringify(key), key)
    }
  }

  async function writePart(
    key: string,
    uploadId: string,
    partNumber: number,
    body: ByteSource,
    expected: Expected & { size: number },
  ): Promise<UploadedPart> {
    assertPartNumber(adapter, partNumber)
    const { folder, completing } = await uploads.find(key, uploadId)
    if (completing) throw uploadNotFound(adapter, key)
    const { size, checksum } = expected
    const part: UploadedPart = {
      partNumber,
      etag: context.newId(),
      size,
      ...(checksum === undefined ? {} : { checksum }),
    }
    try {
      const slot = await uploads.slotSize(folder, size)
      if (size <= slot && (await uploads.claim(folder, partNumber))) {
        await writeFile(key, `${folder}/data`, 'r+', body, expected, (partNumber - 1) * slot)
        await uploads.record(folder, { part })
      } else {
        const file = `part-${part.etag}`
        try {
          await writeFile(key, `${folder}/${file}`, 'wx', body, expected, 0)
          await uploads.record(folder, { part, file })
        } catch (error) {
          await discard(context, `${folder}/${file}`)
          throw error
        }
      }
    } catch (error) {
      // The folder is gone or renamed: the upload was completed or aborted by somebody else.
      if (isMissing(error)) throw uploadNotFound(adapter, key, error)
      throw error
    }
    return part
  }

  async function writeFile(
    key: string,
    path: string,
    flags: 'r+' | 'wx',
    body: ByteSource,
    expected: Expected & { size: number },
    position: number,
  ): Promise<void> {
    const handle = await openData(path, flags)
    try {
      await writeBody(context, key, handle, body, expected, position)
      if (context.flush) await handle.datasync()
    } finally {
      await handle.close()
    }
  }

  async function openData(path: string, flags: 'r+' | 'wx'): Promise<FileHandle> {
    if (flags === 'wx') return fs.open(path, 'wx')
    try {
      return await fs.open(path, 'r+')
    } catch (error) {
      if (!isMissing(error)) throw error
      // Made by the first part; of two first parts at once both open the same file.
      await (await fs.open(path, 'a')).close()
      return fs.open(path, 'r+')
    }
  }

  /** The etag of the object if an earlier call, which died before it could say so, had made it visible. */
  async function publishedEtag(folder: string, key: string): Promise<string | undefined> {
    const etag = await uploads.publishing(folder)
    const status = etag === undefined ? undefined : await statusOf(context, key)
    return status !== undefined && etagOf(status) === etag ? etag : undefined
  }

  return {
    create: (key, options = {}) =>
      call(key, options.signal, async () => {
        const uploadId = uploads.newUploadId(key)
        assertObjectChecksum(adapter, options.objectChecksum)
        await uploads.create(uploadId, { key, initiated: context.clock.now(), headers: headersOf(adapter, options) })
        return { uploadId }
      }),

    uploadPart: (key, uploadId, partNumber, body, options = {}) =>
      call(key, options.signal, () => {
        const { checksum, signal } = options
        return writePart(key, uploadId, partNumber, body, { size: bodySize(body, options.size), checksum, signal })
      }),

    uploadPartCopy: (key, uploadId, partNumber, sourceKey, options) =>
      call(key, options.signal, async () => {
        assertKey(adapter, sourceKey)
        const file = await openForReading(context, sourceKey)
        if (file === undefined) throw notFound(adapter, sourceKey)
        let body: FileBody | undefined
        try {
          if (options.sourceIfMatch !== undefined && options.sourceIfMatch !== etagOf(file.status)) {
            throw preconditionFailed(adapter, sourceKey, 'has changed')
          }
          const range = resolveRange(adapter, sourceKey, options.range, Number(file.status.size))
          body = new FileBody(context, sourceKey, file, range, options.signal)
          return await writePart(key, uploadId, partNumber, body, { size: range.length, signal: options.signal })
        } finally {
          if (body === undefined) await file.handle.close()
          else body.destroy()
        }
      }),

    listParts: (key, uploadId, options = {}) =>
      call(key, options.signal, async () => {
        const { folder } = await uploads.find(key, uploadId)
        return (await uploads.parts(folder)).map(({ part }) => part)
      }),

    complete: (key, uploadId, parts, options = {}) =>
      call(key, options.signal, () =>
        // Two calls that complete one upload must not both work in its folder.
        context.locks.hold(uploadId, true, async () => {
          const found = await uploads.find(key, uploadId)
          assertParts(adapter, parts)
          const folder = uploads.folder(uploadId, true)
          if (!found.completing) await fs.rename(found.folder, folder)
          let etag = await publishedEtag(folder, key)
          if (etag === undefined) {
            try {
              const staged = await assemble(context, uploads, folder, key, parts, options.signal)
              await uploads.markPublishing(folder, etagOf(staged.status))
              ;({ etag } = await publish(context, key, staged, found.record.headers, options))
            } catch (error) {
              await fs.rename(folder, uploads.folder(uploadId, false))
              throw error
            }
          }
          await uploads.remove(folder)
          return { etag }
        }),
      ),

    abort: (key, uploadId, options = {}) =>
      call(key, options.signal, async () => {
        try {
          const { folder } = await uploads.find(key, uploadId)
          await uploads.remove(folder)
        } catch (error) {
          if (!hasCode(error, 'not-found') && !isMissing(error)) throw error
        }
      }),

    list: (key, options = {}) =>
      call(key, options.signal, async () => (await uploads.list(key)).map((upload) => ({ key, ...upload }))),
  }
}
