import type { Capabilities, Checksum, StowageError, UploadedPart } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { crc32Of, exists, patternBytes, readBytes, rowsOf, sha256Of, streamOf, text } from '../bytes.ts'
import type { Case, Run } from '../case.ts'

/** A size for parts that the store takes. */
function partSize({ multipart }: Capabilities): number {
  return multipart === false ? 1 : Math.max(multipart.minPartSize, 64 * 1024)
}

/** An upload of three parts, the last one short, and the bytes it makes. */
async function begin(
  run: Run,
  name: string,
): Promise<{ key: string; uploadId: string; pieces: Uint8Array[]; whole: Buffer }> {
  const key = run.folder + name
  const size = partSize(run.capabilities)
  const { uploadId } = await run.adapter.multipart.create(key)
  const pieces = [patternBytes(size, 11), patternBytes(size, 12), patternBytes(1000, 13)]
  return { key, uploadId, pieces, whole: Buffer.concat(pieces) }
}

async function uploadAll(run: Run, key: string, uploadId: string, pieces: Uint8Array[]): Promise<UploadedPart[]> {
  return Promise.all(pieces.map((piece, i) => run.adapter.multipart.uploadPart(key, uploadId, i + 1, piece)))
}

/** The option that announces a checksum, where the store takes such. */
function told({ capabilities }: Run, checksum: Checksum): { checksum?: Checksum } {
  return capabilities.checksums.includes(checksum.algorithm) ? { checksum } : {}
}

export const multipartCases: Case[] = [
  {
    name: 'makes an object of parts sent in any order, and shows it only when it is complete',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'any-order')
      const parts: UploadedPart[] = []
      for (const number of [3, 1, 2]) {
        const piece = pieces[number - 1] as Uint8Array
        parts[number - 1] = await adapter.multipart.uploadPart(key, uploadId, number, piece)
        expect(parts[number - 1]).toMatchObject({ partNumber: number, size: piece.length })
        expect(await exists(adapter, key)).toBe(false)
      }
      const { etag } = await adapter.multipart.complete(key, uploadId, parts)
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
      const [row] = await rowsOf(adapter, { prefix: key })
      expect(row).toMatchObject({ key, size: whole.length, etag })
      expect((await adapter.head(key)).etag).toBe(etag)
    },
  },
  {
    name: 'takes parts side by side, from bytes and streams, with and without checksums',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'side-by-side')
      const [a, b, c] = pieces as [Uint8Array, Uint8Array, Uint8Array]
      const parts = await Promise.all([
        adapter.multipart.uploadPart(key, uploadId, 1, streamOf(a), { size: a.length, ...told(run, sha256Of(a)) }),
        adapter.multipart.uploadPart(key, uploadId, 2, b, told(run, crc32Of(b))),
        adapter.multipart.uploadPart(key, uploadId, 3, streamOf(c), { size: c.length }),
      ])
      await adapter.multipart.complete(key, uploadId, parts)
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
    },
  },
  {
    name: 'lists parts by number, and completes with what it lists',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'listed')
      expect(await adapter.multipart.listParts(key, uploadId)).toEqual([])
      const sent = await uploadAll(run, key, uploadId, pieces)
      const listed = await adapter.multipart.listParts(key, uploadId)
      expect(listed.map(({ partNumber, etag, size }) => ({ partNumber, etag, size }))).toEqual(
        sent.map(({ partNumber, etag, size }) => ({ partNumber, etag, size })),
      )
      await adapter.multipart.complete(key, uploadId, listed)
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
    },
  },
  {
    name: 'takes a part that is sent again in place of the earlier one',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces } = await begin(run, 'again')
      const [first, , last] = await uploadAll(run, key, uploadId, pieces)
      const other = patternBytes((pieces[1] as Uint8Array).length, 99)
      const again = await adapter.multipart.uploadPart(key, uploadId, 2, other)
      expect((await adapter.multipart.listParts(key, uploadId)).map(({ etag }) => etag)).toEqual([
        first?.etag,
        again.etag,
        last?.etag,
      ])
      await adapter.multipart.complete(key, uploadId, [first, again, last] as UploadedPart[])
      const expected = Buffer.concat([pieces[0] as Uint8Array, other, pieces[2] as Uint8Array])
      expect((await readBytes(adapter, key)).equals(expected)).toBe(true)
    },
  },
  {
    name: 'keeps the earlier part when one that is sent again fails',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'again-failed')
      const parts = await uploadAll(run, key, uploadId, pieces)
      const other = patternBytes(70_000, 98)
      const wrong = told(run, crc32Of(text('x')))
      if ('checksum' in wrong) {
        await expectCode(adapter.multipart.uploadPart(key, uploadId, 1, other, wrong), 'integrity')
      }
      await expectCode(adapter.multipart.uploadPart(key, uploadId, 1, streamOf(other), { size: 70_001 }), 'integrity')
      await adapter.multipart.complete(key, uploadId, parts)
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
    },
  },
  {
    name: 'completes with some of the parts, and with gaps in their numbers',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces } = await begin(run, 'gaps')
      const [a, b, c] = pieces as [Uint8Array, Uint8Array, Uint8Array]
      const first = await adapter.multipart.uploadPart(key, uploadId, 2, a)
      await adapter.multipart.uploadPart(key, uploadId, 5, b)
      const last = await adapter.multipart.uploadPart(key, uploadId, 9, c)
      await adapter.multipart.complete(key, uploadId, [first, last])
      expect((await readBytes(adapter, key)).equals(Buffer.concat([a, c]))).toBe(true)
    },
  },
  {
    name: 'takes parts of different sizes',
    run: async (run) => {
      const { adapter, capabilities, folder } = run
      const key = `${folder}sizes`
      const size = partSize(capabilities)
      const { uploadId } = await adapter.multipart.create(key)
      const pieces = [
        patternBytes(size, 1),
        patternBytes(size + 4321, 2),
        patternBytes(size + 17, 3),
        patternBytes(5, 4),
      ]
      const parts = await uploadAll(run, key, uploadId, pieces)
      await adapter.multipart.complete(key, uploadId, parts)
      expect((await readBytes(adapter, key)).equals(Buffer.concat(pieces))).toBe(true)
    },
  },
  {
    name: 'refuses to complete with parts that are unknown, changed, out of order or missing',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'wrong-parts')
      const parts = await uploadAll(run, key, uploadId, pieces)
      const [a, b, c] = parts as [UploadedPart, UploadedPart, UploadedPart]
      const wrong = [
        [],
        [b, a, c],
        [a, a],
        [{ ...a, etag: 'ffffffffffffffffffffffffffffffff' }, b, c],
        [a, b, { ...c, partNumber: 7 }],
      ]
      for (const list of wrong) await expectCode(adapter.multipart.complete(key, uploadId, list), 'invalid-request')
      expect(await exists(adapter, key)).toBe(false)
      await adapter.multipart.complete(key, uploadId, parts)
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
    },
  },
  {
    name: 'refuses parts below the least size, and part numbers out of range',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}small`
      const { uploadId } = await adapter.multipart.create(key)
      for (const number of [0, -1, 1.5, 10_001]) {
        await expectCode(adapter.multipart.uploadPart(key, uploadId, number, text('x')), 'invalid-request')
      }
      const parts = [
        await adapter.multipart.uploadPart(key, uploadId, 1, text('small')),
        await adapter.multipart.uploadPart(key, uploadId, 2, text('last')),
      ]
      const least = capabilities.multipart === false ? 0 : capabilities.multipart.minPartSize
      if (least > 5) {
        await expectCode(adapter.multipart.complete(key, uploadId, parts), 'invalid-request')
        expect(await exists(adapter, key)).toBe(false)
        await adapter.multipart.abort(key, uploadId)
      } else {
        await adapter.multipart.complete(key, uploadId, parts)
        expect((await readBytes(adapter, key)).toString()).toBe('smalllast')
      }
    },
  },
  {
    name: 'fails with integrity when a part is not what was announced',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces } = await begin(run, 'part-integrity')
      const [piece] = pieces as [Uint8Array]
      const upload = (options: object, body: Parameters<typeof adapter.multipart.uploadPart>[3] = streamOf(piece)) =>
        adapter.multipart.uploadPart(key, uploadId, 1, body, options)
      for (const wrong of [crc32Of(text('x')), sha256Of(text('x'))].map((checksum) => told(run, checksum))) {
        if (!('checksum' in wrong)) continue
        await expectCode(upload({ size: piece.length, ...wrong }), 'integrity')
        await expectCode(upload(wrong, piece), 'integrity')
      }
      await expectCode(upload({ size: piece.length + 1 }), 'integrity')
      await expectCode(upload({ size: piece.length - 1 }), 'integrity')
      expect(await adapter.multipart.listParts(key, uploadId)).toEqual([])
      await adapter.multipart.abort(key, uploadId)
    },
  },
  {
    name: 'makes a part of a range of another object',
    run: async ({ adapter, capabilities, folder }) => {
      const source = `${folder}source`
      const size = partSize(capabilities)
      const bytes = patternBytes(size + 5000)
      const { etag } = await adapter.put(source, bytes)
      const key = `${folder}from-ranges`
      const { uploadId } = await adapter.multipart.create(key)
      const copyPart = (number: number, start: number, length: number, sourceIfMatch = etag) =>
        adapter.multipart.uploadPartCopy(key, uploadId, number, source, { range: { start, length }, sourceIfMatch })
      if (capabilities.multipart === false || !capabilities.multipart.partCopy) {
        await expectCode(copyPart(1, 0, size), 'not-supported')
        return
      }
      const parts = [await copyPart(1, 5000, size), await copyPart(2, 10, 100)]
      expect(parts.map((part) => part.size)).toEqual([size, 100])
      await expectCode(copyPart(3, 0, 10, 'ffffffffffffffffffffffffffffffff'), 'precondition-failed')
      const missing = adapter.multipart.uploadPartCopy(key, uploadId, 3, `${folder}none`, {
        range: { start: 0, length: 1 },
      })
      await expectCode(missing, 'not-found')
      await adapter.multipart.complete(key, uploadId, parts)
      const expected = Buffer.concat([bytes.subarray(5000, 5000 + size), bytes.subarray(10, 110)])
      expect((await readBytes(adapter, key)).equals(expected)).toBe(true)
    },
  },
  {
    name: 'completes create-only: fails when the key exists by now, and leaves that object alone',
    run: async (run) => {
      const { adapter, capabilities } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'create-only')
      const parts = await uploadAll(run, key, uploadId, pieces)
      if (!capabilities.conditional.completeCreateOnly) {
        await expectCode(adapter.multipart.complete(key, uploadId, parts, { ifNoneMatch: '*' }), 'not-supported')
        await adapter.multipart.abort(key, uploadId)
        return
      }
      await adapter.put(key, text('first'))
      await expectCode(adapter.multipart.complete(key, uploadId, parts, { ifNoneMatch: '*' }), 'precondition-failed')
      expect((await readBytes(adapter, key)).toString()).toBe('first')
      await adapter.multipart.abort(key, uploadId)
      await adapter.delete(key)
      const second = await begin(run, 'create-only')
      const again = await uploadAll(run, key, second.uploadId, pieces)
      await adapter.multipart.complete(key, second.uploadId, again, { ifNoneMatch: '*' })
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
    },
  },
  {
    name: 'completes if the object is unchanged: fails when it is another one or gone, leaves it alone, and keeps the upload',
    run: async (run) => {
      const { adapter, capabilities } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'replace-only')
      const parts = await uploadAll(run, key, uploadId, pieces)
      const before = await adapter.put(key, text('before'))
      const ifMatch = before.etag
      if (capabilities.conditional.completeIfMatch !== true) {
        await expectCode(adapter.multipart.complete(key, uploadId, parts, { ifMatch }), 'not-supported')
        await adapter.multipart.abort(key, uploadId)
        return
      }
      const now = await adapter.put(key, text('edited'))
      await expectCode(adapter.multipart.complete(key, uploadId, parts, { ifMatch }), 'precondition-failed')
      expect((await readBytes(adapter, key)).toString()).toBe('edited')
      await adapter.delete(key)
      await expectCode(adapter.multipart.complete(key, uploadId, parts, { ifMatch: now.etag }), 'precondition-failed')
      const again = await adapter.put(key, text('again'))
      await adapter.multipart.complete(key, uploadId, parts, { ifMatch: again.etag })
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
    },
  },
  {
    name: 'lets exactly one of racing create-only completions win',
    run: async (run) => {
      const { adapter, capabilities } = run
      if (!capabilities.conditional.completeCreateOnly) return
      const key = `${run.folder}race`
      const uploads = await Promise.all(
        Array.from({ length: 4 }, async (_, i) => {
          const { uploadId } = await adapter.multipart.create(key)
          return { uploadId, part: await adapter.multipart.uploadPart(key, uploadId, 1, text(`upload ${i}`)) }
        }),
      )
      const results = await Promise.allSettled(
        uploads.map(({ uploadId, part }) => adapter.multipart.complete(key, uploadId, [part], { ifNoneMatch: '*' })),
      )
      expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1)
      for (const result of results) {
        if (result.status === 'rejected')
          expect(['precondition-failed', 'conflict']).toContain((result.reason as StowageError).code)
      }
      expect((await readBytes(adapter, key)).toString()).toMatch(/^upload \d$/)
      await Promise.all(uploads.map(({ uploadId }) => adapter.multipart.abort(key, uploadId)))
    },
  },
  {
    name: "says not-found for an upload id that is not known, or is another key's",
    run: async (run) => {
      const { adapter, folder } = run
      const key = `${folder}unknown`
      const other = await adapter.multipart.create(`${folder}other`)
      const gone = await adapter.multipart.create(key)
      await adapter.multipart.abort(key, gone.uploadId)
      for (const uploadId of [gone.uploadId, other.uploadId]) {
        await expectCode(adapter.multipart.uploadPart(key, uploadId, 1, text('x')), 'not-found')
        await expectCode(adapter.multipart.listParts(key, uploadId), 'not-found')
        const part: UploadedPart = { partNumber: 1, etag: 'ffffffffffffffffffffffffffffffff', size: 1 }
        await expectCode(adapter.multipart.complete(key, uploadId, [part]), 'not-found')
      }
      await adapter.multipart.abort(key, gone.uploadId)
      for (const odd of ['../../x', 'none', '..', 'a/b']) await adapter.multipart.abort(key, odd).catch(() => undefined)
      await adapter.multipart.abort(`${folder}other`, other.uploadId)
    },
  },
  {
    name: 'finds the unfinished uploads of exactly one key',
    run: async ({ adapter, folder }) => {
      const key = `${folder}uploads`
      expect(await adapter.multipart.list(key)).toEqual([])
      const [a, b] = [await adapter.multipart.create(key), await adapter.multipart.create(key)]
      const beside = await adapter.multipart.create(`${key}-beside`)
      const below = await adapter.multipart.create(`${key}/below`)
      const found = await adapter.multipart.list(key)
      expect(found.map((upload) => upload.uploadId).sort()).toEqual([a.uploadId, b.uploadId].sort())
      for (const upload of found) {
        expect(upload.key).toBe(key)
        expect(Math.abs(upload.initiated - Date.now())).toBeLessThan(3_600_000)
      }
      await adapter.multipart.abort(key, a.uploadId)
      const part = await adapter.multipart.uploadPart(key, b.uploadId, 1, text('x'))
      await adapter.multipart.complete(key, b.uploadId, [part])
      expect(await adapter.multipart.list(key)).toEqual([])
      await adapter.multipart.abort(`${key}-beside`, beside.uploadId)
      await adapter.multipart.abort(`${key}/below`, below.uploadId)
    },
  },
  {
    name: 'replaces an object by a completed upload',
    run: async (run) => {
      const { adapter } = run
      const { key, uploadId, pieces, whole } = await begin(run, 'replaced')
      const old = await adapter.put(key, text('old'))
      const parts = await uploadAll(run, key, uploadId, pieces)
      expect((await readBytes(adapter, key)).toString()).toBe('old')
      const { etag } = await adapter.multipart.complete(key, uploadId, parts)
      expect(etag).not.toBe(old.etag)
      expect((await readBytes(adapter, key)).equals(whole)).toBe(true)
    },
  },
  {
    name: 'makes an object of one part, also of an empty one',
    run: async ({ adapter, folder }) => {
      for (const bytes of [text('one'), new Uint8Array()]) {
        const key = `${folder}one-${bytes.length}`
        const { uploadId } = await adapter.multipart.create(key)
        const part = await adapter.multipart.uploadPart(key, uploadId, 1, bytes)
        await adapter.multipart.complete(key, uploadId, [part])
        expect((await adapter.head(key)).size).toBe(bytes.length)
      }
    },
  },
]
