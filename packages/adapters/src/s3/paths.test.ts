import type { ListPage, ObjectHeaders, StorageAdapter } from '@stowage/core'
import { freshBucket, runs, testSeed, withMinio } from '@stowage/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { minio } from '../minio/index.ts'
import { crc32Of, pagesOf, patternBytes, sha256Of, streamOf, text } from '../testing/bytes.ts'

const part = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
    fc.constantFrom(
      ' a ',
      'a+b',
      '%41',
      '%',
      "'()*!",
      '&amp;',
      '<Key>',
      ']]>',
      'a?b#c',
      '~',
      'ä',
      'a\u0308',
      '😀',
      '\t',
      '"',
    ),
  )
  .map((value) => value.replace(/[/\0]/g, '_').replace(/^\.{1,2}$/, '.x'))
  .filter((value) => value.isWellFormed())
const key = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const value = fc
  .oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom('', ' a', 'a  b', 'ä', '=?UTF-8?B?eA==?='))
  .filter((one) => one.isWellFormed())
const headers: fc.Arbitrary<ObjectHeaders> = fc.record(
  {
    contentType: fc.constantFrom('text/plain; charset=utf-8', 'a/b;  c="d  e"'),
    cacheControl: fc.constantFrom('no-cache', 'max-age=1, private'),
    contentDisposition: fc.constant('attachment; filename="a b.txt"'),
    contentEncoding: fc.constant('zstd'),
    contentLanguage: fc.constant('de, en'),
    metadata: fc.dictionary(fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,9}$/), value, {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  },
  { requiredKeys: [] },
)

await withMinio((server) => {
  describe('the two data paths', () => {
    let adapters: Record<'lean' | 'sdk', StorageAdapter>

    beforeAll(async () => {
      const bucket = await freshBucket(server)
      const { endpoint, accessKey, secretKey, region } = server
      const options = { id: 'lan', endpoint, region, bucket: bucket.name, accessKey, secretKey }
      adapters = { lean: minio({ ...options, dataPath: 'lean' }), sdk: minio({ ...options, dataPath: 'sdk' }) }
    })
    afterAll(async () => {
      await Promise.all(Object.values(adapters).map((adapter) => adapter.close()))
    })

    /** All that a reader can see of an object, but when it was written. */
    async function seen(reader: StorageAdapter, name: string, range?: { start: number; length: number }) {
      const { lastModified: _, key: __, ...head } = await reader.head(name)
      const { info, body } = await reader.get(name, range === undefined ? {} : { range })
      const { lastModified: ___, key: ____, ...got } = info
      return { head, got, bytes: Buffer.concat(await body.toArray()).toString('base64') }
    }

    it('write and read the same objects, whatever the key and the headers', async () => {
      await fc.assert(
        fc.asyncProperty(key, headers, fc.uint8Array({ maxLength: 200 }), async (name, given, bytes) => {
          const written: Record<string, unknown> = {}
          for (const path of ['lean', 'sdk'] as const) {
            await adapters[path].put(`${path}/${name}`, bytes, given)
            const lean = await seen(adapters.lean, `${path}/${name}`)
            expect(await seen(adapters.sdk, `${path}/${name}`)).toEqual(lean)
            expect(lean.bytes).toBe(Buffer.from(bytes).toString('base64'))
            if (given.metadata !== undefined) expect(lean.head.metadata).toEqual(given.metadata)
            written[path] = lean
            const folder = `${path}/${name}`
            const pages = (reader: StorageAdapter): Promise<ListPage[]> => pagesOf(reader, { prefix: folder })
            expect(await pages(adapters.lean)).toEqual(await pages(adapters.sdk))
            await adapters[path].delete(`${path}/${name}`)
          }
          expect(written['lean']).toEqual(written['sdk'])
        }),
        { numRuns: runs(40, 2000), seed: testSeed() },
      )
    })

    it('list the same rows, with folders, positions and small pages', async () => {
      const names = ['a b', 'a+b', 'a%20b', 'd/1', 'd/2/3', 'd&amp;', 'e\n', 'ä/ö', '😀', '\uffee', '<x>', "q'(!)*"]
      await Promise.all(names.map((name) => adapters.sdk.put(`rows/${name}`, text(name))))
      for (const options of [
        {},
        { delimiter: '/' as const },
        { pageSize: 2 },
        { pageSize: 3, delimiter: '/' as const, startAfter: 'rows/d' },
        { startAfter: 'rows/a%20b' },
      ]) {
        const asked = { prefix: 'rows/', ...options }
        const pages = await pagesOf(adapters.lean, asked)
        expect(pages).toEqual(await pagesOf(adapters.sdk, asked))
        expect(pages.length).toBeGreaterThan(0)
      }
    })

    it('take checksums, streams, conditions and parts alike', async () => {
      const bytes = patternBytes(9 * 1024 * 1024)
      const results: unknown[] = []
      for (const path of ['lean', 'sdk'] as const) {
        const adapter = adapters[path]
        const name = `large-${path}`
        const put = await adapter.put(name, streamOf(bytes), {
          size: bytes.length,
          checksum: sha256Of(bytes),
          ifNoneMatch: '*',
        })
        const again = await adapter.put(name, bytes, { checksum: crc32Of(bytes), ifMatch: put.etag })
        const { uploadId } = await adapter.multipart.create(`${name}-parts`)
        const first = await adapter.multipart.uploadPart(`${name}-parts`, uploadId, 1, bytes.subarray(0, 6_000_000))
        const second = await adapter.multipart.uploadPart(
          `${name}-parts`,
          uploadId,
          2,
          streamOf(bytes.subarray(6_000_000)),
          {
            size: bytes.length - 6_000_000,
          },
        )
        const done = await adapter.multipart.complete(`${name}-parts`, uploadId, [first, second])
        const range = { start: 1_000_000, length: 5_000_001 }
        results.push({
          put,
          again,
          first,
          second,
          done,
          whole: await seen(adapter, name),
          part: await seen(adapter, `${name}-parts`, range),
        })
      }
      expect(results[0]).toEqual(results[1])
    })
  })
})
