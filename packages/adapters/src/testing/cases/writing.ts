import { Readable } from 'node:stream'
import { type ByteSource, StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { crc32Of, exists, patternBytes, readBytes, sha256Of, streamOf, text } from '../bytes.ts'
import type { Case } from '../case.ts'

const mebibyte = 1024 * 1024

/** Sizes on both sides of what adapters read into memory before they send it. */
const streamSizes = [1, 100_000, 9 * mebibyte]

export const writingCases: Case[] = [
  {
    name: 'takes bytes, Node streams, web streams and generators',
    run: async ({ adapter, folder }) => {
      const bytes = patternBytes(300_000)
      const bodies: [string, ByteSource][] = [
        ['bytes', bytes],
        ['view', new Uint8Array(Buffer.concat([Buffer.from('xx'), bytes]).buffer.slice(0)).subarray(2, 2)],
        ['readable', Readable.from([bytes.subarray(0, 7), bytes.subarray(7)])],
        ['web', new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()],
        ['generator', streamOf(bytes, 1000)],
      ]
      for (const [name, body] of bodies) {
        const size = name === 'view' ? 0 : bytes.length
        await adapter.put(folder + name, body, { size })
        expect((await readBytes(adapter, folder + name)).equals(bytes.subarray(0, size)), name).toBe(true)
      }
    },
  },
  {
    name: 'takes streams of any size, with and without a checksum',
    run: async ({ adapter, capabilities, folder }) => {
      for (const size of streamSizes) {
        const bytes = patternBytes(size)
        for (const checksum of [undefined, crc32Of(bytes), sha256Of(bytes)]) {
          if (checksum !== undefined && !capabilities.checksums.includes(checksum.algorithm)) continue
          const key = `${folder}${size}-${checksum?.algorithm}`
          await adapter.put(key, streamOf(bytes), { size, ...(checksum === undefined ? {} : { checksum }) })
          expect((await readBytes(adapter, key)).equals(bytes), key).toBe(true)
        }
      }
    },
  },
  {
    name: 'fails with integrity when a body is shorter or longer than declared, and leaves no object',
    run: async ({ adapter, folder }) => {
      const key = `${folder}wrong-length`
      for (const size of streamSizes) {
        const bytes = patternBytes(size)
        await expectCode(adapter.put(key, streamOf(bytes), { size: size + 1 }), 'integrity')
        await expectCode(adapter.put(key, streamOf(bytes), { size: size - 1 }), 'integrity')
      }
      await expectCode(adapter.put(key, text('abc'), { size: 4 }), 'integrity')
      await expectCode(adapter.put(key, text('abc'), { size: 2 }), 'integrity')
      expect(await exists(adapter, key)).toBe(false)
    },
  },
  {
    name: 'fails with integrity when a checksum is wrong, and leaves no object',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}wrong-checksum`
      for (const size of streamSizes) {
        const bytes = patternBytes(size)
        for (const checksum of [crc32Of(text('other')), sha256Of(text('other'))]) {
          if (!capabilities.checksums.includes(checksum.algorithm)) continue
          await expectCode(adapter.put(key, bytes, { checksum }), 'integrity')
          await expectCode(adapter.put(key, streamOf(bytes), { checksum, size }), 'integrity')
        }
      }
      expect(await exists(adapter, key)).toBe(false)
      await expectCode(adapter.head(key), 'not-found')
    },
  },
  {
    name: 'refuses checksums that it does not declare',
    run: async ({ adapter, capabilities, folder }) => {
      for (const algorithm of ['crc32', 'crc32c', 'crc64nvme', 'crc64ecma', 'sha256'] as const) {
        if (capabilities.checksums.includes(algorithm)) continue
        const put = adapter.put(`${folder}x`, text('x'), { checksum: { algorithm, value: 'AAAA' } })
        await expectCode(put, 'not-supported')
      }
      expect(await exists(adapter, `${folder}x`)).toBe(false)
    },
  },
  {
    name: 'replaces an object whole: bytes, etag and headers',
    run: async ({ adapter, folder }) => {
      const key = `${folder}replaced`
      const first = await adapter.put(key, text('first'), { metadata: { a: '1' }, cacheControl: 'no-cache' })
      const second = await adapter.put(key, text('other'), { metadata: { b: '2' } })
      expect(second.etag).not.toBe(first.etag)
      const info = await adapter.head(key)
      expect(info.metadata).toEqual({ b: '2' })
      expect(info.cacheControl).toBeUndefined()
      expect(info.etag).toBe(second.etag)
      expect((await readBytes(adapter, key)).toString()).toBe('other')
    },
  },
  {
    name: 'keeps the old object when a body fails half way, and says what the body failed with',
    run: async ({ adapter, folder }) => {
      const key = `${folder}kept`
      await adapter.put(key, text('old'))
      async function* failing(size: number): AsyncGenerator<Uint8Array> {
        yield patternBytes(size)
        throw new StowageError('source-changed', 'The source changed.')
      }
      for (const size of streamSizes) {
        await expectCode(adapter.put(key, failing(size), { size: size * 2 }), 'source-changed')
        await expectCode(adapter.put(`${folder}new`, failing(size), { size: size * 2 }), 'source-changed')
      }
      expect((await readBytes(adapter, key)).toString()).toBe('old')
      expect(await exists(adapter, `${folder}new`)).toBe(false)
    },
  },
  {
    name: 'has what it was given, also when the memory is used for something else afterwards',
    run: async ({ adapter, capabilities, folder }) => {
      const bytes = patternBytes(9 * mebibyte)
      const memory = Buffer.from(bytes)
      await adapter.put(`${folder}put`, memory)
      memory.fill(0)
      expect((await readBytes(adapter, `${folder}put`)).equals(bytes)).toBe(true)
      if (capabilities.multipart === false) return
      const key = `${folder}part`
      const { uploadId } = await adapter.multipart.create(key)
      memory.set(bytes)
      const part = await adapter.multipart.uploadPart(key, uploadId, 1, memory)
      memory.fill(0)
      await adapter.multipart.complete(key, uploadId, [part])
      expect((await readBytes(adapter, key)).equals(bytes)).toBe(true)
    },
  },
  {
    name: 'takes many writes at the same time',
    run: async ({ adapter, folder }) => {
      const keys = Array.from({ length: 200 }, (_, i) => `${folder}${i % 7}/${i}`)
      await Promise.all(keys.map((key) => adapter.put(key, text(key))))
      await Promise.all(keys.map(async (key) => expect((await readBytes(adapter, key)).toString()).toBe(key)))
    },
  },
]
