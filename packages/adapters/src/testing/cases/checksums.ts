import { type ChecksumAlgorithm, checksumOf, type StorageAdapter, type UploadedPart } from '@stowage/core'
import { expectCode, repeats } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, patternBytes, readBytes, streamOf, text } from '../bytes.ts'
import type { Case } from '../case.ts'

const mebibyte = 1024 * 1024
const algorithms: readonly ChecksumAlgorithm[] = ['crc32', 'crc32c', 'crc64nvme', 'crc64ecma', 'sha256']

async function uploadWhole(
  adapter: StorageAdapter,
  key: string,
  objectChecksum: ChecksumAlgorithm,
  contents: readonly Uint8Array[],
): Promise<{ uploadId: string; parts: UploadedPart[] }> {
  const { uploadId } = await adapter.multipart.create(key, { objectChecksum })
  const parts: UploadedPart[] = []
  for (const [i, bytes] of contents.entries()) {
    parts.push(await adapter.multipart.uploadPart(key, uploadId, i + 1, bytes, { objectChecksum }))
  }
  return { uploadId, parts }
}

export const checksumCases: Case[] = [
  {
    name: 'takes every checksum that it declares, and holds what it keeps of them against what is read',
    run: async ({ adapter, capabilities, folder }) => {
      for (const algorithm of capabilities.checksums) {
        for (const size of [0, 100_000, 9 * mebibyte]) {
          const bytes = patternBytes(size)
          const key = `${folder}${algorithm}-${size}`
          const checksum = checksumOf(algorithm, bytes)
          await adapter.put(key, streamOf(bytes), { size, checksum })
          const kept = (await adapter.head(key)).checksums?.[algorithm]
          expect(kept ?? checksum.value, key).toBe(checksum.value)
          expect((await readBytes(adapter, key)).equals(bytes), key).toBe(true)
          const wrong = { algorithm, value: checksumOf(algorithm, text('other')).value }
          // Bytes in memory are sent as often as is tried, and alike at every size.
          if (size <= repeats(100_000, 9 * mebibyte)) {
            await expectCode(adapter.put(`${key}-not`, bytes, { checksum: wrong }), 'integrity')
          }
          await expectCode(adapter.put(`${key}-not`, streamOf(bytes), { size, checksum: wrong }), 'integrity')
        }
      }
      expect(await exists(adapter, `${folder}crc32-0-not`)).toBe(false)
    },
  },
  {
    name: 'refuses what cannot be a checksum',
    run: async ({ adapter, capabilities, folder }) => {
      for (const algorithm of capabilities.checksums) {
        for (const value of ['', 'AAA', `${'A'.repeat(60)}====`]) {
          await expectCode(adapter.put(`${folder}x`, text('x'), { checksum: { algorithm, value } }), 'invalid-request')
        }
      }
    },
  },
  {
    name: 'keeps a checksum of the whole object of an upload in parts, joined from those of the parts',
    run: async ({ adapter, capabilities, folder }) => {
      const { multipart } = capabilities
      if (multipart === false) return
      const declared = multipart.objectChecksums ?? []
      const contents = [patternBytes(multipart.minPartSize), patternBytes(multipart.minPartSize + 1, 2), text('end')]
      for (const objectChecksum of algorithms) {
        const key = `${folder}${objectChecksum}`
        if (!declared.includes(objectChecksum)) {
          await expectCode(adapter.multipart.create(key, { objectChecksum }), 'not-supported')
          continue
        }
        const { uploadId, parts } = await uploadWhole(adapter, key, objectChecksum, contents)
        const listed = await adapter.multipart.listParts(key, uploadId)
        expect(listed.map(({ checksum }) => checksum)).toEqual(parts.map(({ checksum }) => checksum))
        await adapter.multipart.complete(key, uploadId, parts, { objectChecksum })
        const whole = checksumOf(objectChecksum, Buffer.concat(contents))
        expect((await adapter.head(key)).checksums?.[objectChecksum]).toBe(whole.value)
        expect((await readBytes(adapter, key)).equals(Buffer.concat(contents))).toBe(true)
      }
    },
  },
  {
    name: 'makes no object of parts whose checksums do not give that of the whole',
    run: async ({ adapter, capabilities, folder }) => {
      const { multipart } = capabilities
      if (multipart === false) return
      for (const objectChecksum of multipart.objectChecksums ?? []) {
        const key = `${folder}wrong-${objectChecksum}`
        const { uploadId, parts } = await uploadWhole(adapter, key, objectChecksum, [text('one')])
        const [part] = parts as [UploadedPart]
        const other = { ...part, checksum: checksumOf(objectChecksum, text('two')) }
        const completed = adapter.multipart.complete(key, uploadId, [other], { objectChecksum })
        await expectCode(completed, 'integrity', 'invalid-request')
        expect(await exists(adapter, key)).toBe(false)
        await adapter.multipart.abort(key, uploadId)
        await expectCode(
          adapter.multipart.uploadPart(key, uploadId, 1, streamOf(patternBytes(9 * mebibyte)), {
            size: 9 * mebibyte,
            objectChecksum,
          }),
          'invalid-request',
        )
      }
    },
  },
]
