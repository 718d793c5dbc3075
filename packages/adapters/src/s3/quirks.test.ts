import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { checkKey, probeFolder } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { minio, minioQuirks } from '../minio/index.ts'
import { rustfs, rustfsQuirks } from '../rustfs/index.ts'
import { crc32Of, keysOf, streamOf, text } from '../testing/bytes.ts'
import { drain, fail, listing, type Scripted, scripted } from '../testing/scripted-server.ts'
import { type S3Options, type S3Quirk, s3, s3Quirks } from './index.ts'

interface Seen {
  line: string
  headers: IncomingHttpHeaders
  body: string
}

const answers: readonly [RegExp, string][] = [
  [/^POST .*\?delete/, '<DeleteResult><Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key></Deleted></DeleteResult>'],
  [/^POST .*\?uploadId/, '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'],
  [/^POST .*\?uploads/, '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>'],
  [/^GET .*\?.*uploads/, '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>'],
  [/list-type/, listing(['a&amp;b%']).replace('<EncodingType>url</EncodingType>', '')],
]

/** A store that takes everything, and what it was sent. */
async function taking(quirks: S3Quirk[], options: Partial<S3Options> = {}): Promise<Scripted & { seen: Seen[] }> {
  const seen: Seen[] = []
  const scene = await scripted(
    async (request, response) => {
      const body = (await drain(request)).toString()
      const line = `${request.method} ${request.url}`
      seen.push({ line, headers: request.headers, body })
      if (request.method === 'GET' && line.includes(probeFolder)) return fail(response, 404, 'NoSuchKey')
      const isCopy = request.headers['x-amz-copy-source'] !== undefined
      const answer = answers.find(([asked]) => asked.test(line))?.[1]
      response.writeHead(200, { etag: '"e"' })
      response.end(answer ?? (isCopy ? '<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>' : undefined))
    },
    { quirks, ...options },
    s3,
  )
  return { ...scene, seen }
}

const md5 = (bytes: string): string => createHash('md5').update(bytes).digest('base64')
const checksumsIn = ({ headers }: Seen): string[] =>
  Object.keys(headers).filter((name) => /checksum|trailer|content-md5/.test(name))

const bare = (...quirks: S3Quirk[]) => s3({ id: 'a', bucket: 'b', quirks }).capabilities

describe.each(['lean', 'sdk'] as const)('on the wire, by the data path %s', (dataPath) => {
  it('no-checksums: bytes go by their MD5, and no checksum is asked for', async () => {
    const { adapter, seen } = await taking(['no-checksums'], { dataPath })
    await adapter.put('a', text('x'))
    await adapter.multipart.uploadPart('a', 'u1', 1, text('y'))
    await adapter.head('a')
    await adapter.deleteMany(['a', 'b'])
    await adapter.put('a', streamOf(Buffer.alloc(9_000_000)), { size: 9_000_000 })
    expect(seen.map(checksumsIn)).toEqual([['content-md5'], ['content-md5'], [], ['content-md5'], []])
    expect(seen.map(({ headers }) => headers['content-md5']).slice(0, 4)).toEqual([
      md5('x'),
      md5('y'),
      undefined,
      md5(seen[3]?.body ?? ''),
    ])
    await expectCode(adapter.put('a', text('x'), { checksum: crc32Of(text('x')) }), 'not-supported')
    await expectCode(adapter.multipart.create('a', { objectChecksum: 'crc32' }), 'not-supported')
    expect(seen).toHaveLength(5)
  })

  it('part-checksums: parts go by their CRC32, which without it is sent with puts alone', async () => {
    for (const [quirks, header] of [
      [[], 'content-md5'],
      [['part-checksums'], 'x-amz-checksum-crc32'],
    ] as [S3Quirk[], string][]) {
      const { adapter, seen } = await taking(quirks, { dataPath })
      await adapter.put('a', text('x'))
      await adapter.multipart.uploadPart('a', 'u1', 1, text('y'))
      expect(seen.map(checksumsIn)).toEqual([['x-amz-checksum-crc32'], [header]])
    }
  })

  it('no-encoding-type: listings are asked for and read as plain XML', async () => {
    const { adapter, seen } = await taking(['no-encoding-type'], { dataPath })
    expect(await keysOf(adapter, { prefix: 'a' })).toEqual(['a&b%'])
    await adapter.multipart.list('a')
    expect(seen).toHaveLength(2)
    for (const { line } of seen) expect(line).not.toContain('encoding-type')
    await expectCode(adapter.put('a\u0001', text('x')), 'invalid-key')
  })

  it('no-multi-delete: objects are deleted one by one', async () => {
    const { adapter, seen } = await taking(['no-multi-delete'], { dataPath })
    expect((await adapter.deleteMany(['a', 'b'])).deleted.sort()).toEqual(['a', 'b'])
    expect(seen.map(({ line }) => line.replace(/\?.*/, '')).sort()).toEqual(['DELETE /bucket/a', 'DELETE /bucket/b'])
  })

  it('no-conditional-writes: none is sent, also by a probe and by who holds a presigned write', async () => {
    const { adapter, seen } = await taking(['no-conditional-writes'], { dataPath })
    await expectCode(adapter.put('a', text('x'), { ifNoneMatch: '*' }), 'not-supported')
    await expectCode(adapter.put('a', text('x'), { ifMatch: 'e' }), 'not-supported')
    const done = adapter.multipart.complete('a', 'u1', [{ partNumber: 1, etag: 'e', size: 1 }], { ifNoneMatch: '*' })
    await expectCode(done, 'not-supported')
    expect(seen).toEqual([])
    const { url, headers } = await adapter.presign({ method: 'put', key: 'a', expiresIn: 60 })
    expect([headers, new URL(url).searchParams.get('X-Amz-SignedHeaders')]).toEqual([{}, 'host'])
    await adapter.probe({ write: true })
    expect(seen.some(({ line }) => line.startsWith('PUT'))).toBe(true)
    for (const one of seen) expect(one.headers).not.toHaveProperty('if-none-match')
  })

  it('no-tags: a copy does not say what becomes of them', async () => {
    const { adapter, seen } = await taking(['no-tags'], { dataPath })
    await adapter.copy('a', 'b')
    expect(seen[0]?.headers).not.toHaveProperty('x-amz-tagging-directive')
    await expectCode(adapter.put('a', text('x'), { tags: { a: 'b' } }), 'not-supported')
    await expectCode(adapter.getTags('a'), 'not-supported')
  })

  it('plain-metadata-names: other names are refused with the field, before a byte is sent', async () => {
    const { adapter, seen } = await taking(['plain-metadata-names'], { dataPath })
    for (const write of [
      adapter.put('a', text('x'), { metadata: { a_b: 'c' } }),
      adapter.multipart.create('a', { metadata: { a_b: 'c' } }),
    ]) {
      expect((await expectCode(write, 'invalid-request')).field).toBe('metadata.a_b')
    }
    expect(seen).toEqual([])
    await adapter.put('a', text('x'), { metadata: { 'a-b': 'c' } })
  })

  it('no-conditional-copies, no-part-copy, no-versions: what is not offered is refused', async () => {
    const { adapter, seen } = await taking(['no-conditional-copies', 'no-versions'], { dataPath })
    await expectCode(adapter.copy('a', 'b'), 'not-supported')
    const range = { start: 0, length: 1 }
    await expectCode(adapter.multipart.uploadPartCopy('a', 'u1', 1, 'b', { range }), 'not-supported')
    for (const call of [adapter.head, adapter.get, adapter.delete, adapter.getTags].map((one) => one?.bind(adapter))) {
      await expectCode(Promise.resolve(call?.('a', { versionId: 'v' })), 'not-supported')
    }
    expect(seen).toEqual([])
  })

  it('equal-parts: other parts are refused before the upload is completed, and a stream is cut into such', async () => {
    const { adapter, seen } = await taking(['equal-parts', 'part-checksums'], { dataPath })
    const mib = 1024 ** 2
    const parts = [6, 7, 5].map((size, i) => ({ partNumber: i + 1, etag: 'e', size: size * mib }))
    const [first, second, third] = parts as [(typeof parts)[0], (typeof parts)[0], (typeof parts)[0]]
    const error = await expectCode(adapter.multipart.complete('a', 'u1', [first, second, third]), 'invalid-request')
    expect(error.field).toBe('parts')
    await expectCode(adapter.multipart.complete('a', 'u1', [first, second]), 'invalid-request')
    expect(seen).toEqual([])
    await adapter.put('a', streamOf(Buffer.alloc(17 * mib)))
    const sent = seen.filter(({ line }) => line.includes('partNumber')).map(({ body }) => body.length / mib)
    expect(sent.sort()).toEqual([1, 8, 8])
  })
})

describe('in the capabilities', () => {
  it.each<[S3Quirk, object]>([
    ['no-object-checksums', { multipart: { objectChecksums: [] } }],
    [
      'no-conditional-completes',
      { conditional: { putCreateOnly: true, completeCreateOnly: false, completeIfMatch: false } },
    ],
    ['no-conditional-deletes', { conditional: { deleteIfMatch: false } }],
    ['open-presigned-writes', { presignedWrites: 'open' }],
    ['exact-key-uploads', { multipart: { listUploads: 'exact-key' } }],
    ['no-if-match-writes', { conditional: { putCreateOnly: true, putIfMatch: false } }],
    ['no-conditional-copies', { serverSideCopy: false, multipart: { partCopy: false } }],
    ['no-part-copy', { multipart: { partCopy: false } }],
    ['no-versions', { versions: false }],
    ['no-storage-classes', { storageClasses: false, archive: false }],
    ['no-archive', { storageClasses: true, archive: false }],
    ['opaque-etags', { etagIsMd5: false }],
    ['objects-hide-folders', { keys: { objectAndFolder: false } }],
    ['shallow-keys', { keys: { maxDepth: 100 } }],
  ])('%s', (quirk, expected) => {
    expect(bare(quirk)).toMatchObject(expected)
  })

  it.each<[S3Quirk, string[]]>([
    ['folded-leading-slashes', ['/a']],
    ['keys-are-paths', ['/a', 'a//b', '../a', 'a\\..\\b', `${'x'.repeat(256)}`, 'a__XLDIR__/b']],
    ['no-control-characters', ['a\nb', 'a\u0001b']],
    ['shallow-keys', ['d/'.repeat(101)]],
  ])('%s: keys are refused that AWS S3 takes', (quirk, refused) => {
    for (const key of refused) {
      expect(checkKey(key, bare().keys), key).toBeUndefined()
      expect(checkKey(key, bare(quirk).keys), key).toBeDefined()
    }
  })

  it('every quirk changes something, and none what another has changed back', () => {
    const endpoint = 'http://127.0.0.1:1'
    for (const quirk of s3Quirks) {
      const onTheWire = ['part-checksums', 'no-multi-delete', 'plain-metadata-names'].includes(quirk)
      if (!onTheWire) expect(bare(quirk), quirk).not.toEqual(bare())
    }
    const all = bare(...s3Quirks)
    expect(bare(...[...s3Quirks].reverse())).toEqual(all)
    const given = { id: 'a', bucket: 'b', endpoint }
    expect(s3({ ...given, quirks: rustfsQuirks }).capabilities).toEqual(rustfs(given).capabilities)
    expect({ ...s3({ ...given, quirks: minioQuirks }).capabilities, notifications: 'listen' }).toEqual(
      minio(given).capabilities,
    )
    expect(minio({ ...given, quirks: ['no-tags'] }).capabilities).toEqual({ ...minio(given).capabilities, tags: false })
  })
})

it('a quirk that is none is refused, with those that there are', async () => {
  for (const name of ['no-tag', 'constructor', '']) {
    const error = await expectCode(
      (async () => s3({ id: 'cloud', bucket: 'b', quirks: [name as S3Quirk] }))(),
      'configuration',
    )
    expect([error.field, error.sourceId]).toEqual(['quirks', 'cloud'])
    expect(error.message).toContain(JSON.stringify(name))
    expect(error.hint).toContain('no-tags')
  }
})
