import type { IncomingHttpHeaders } from 'node:http'
import { expectCode } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { text } from '../testing/bytes.ts'
import { drain, fail, type Scripted, scripted } from '../testing/scripted-server.ts'
import { type S3Options, s3 } from './index.ts'

/** One request as it came. */
interface Seen {
  line: string
  headers: IncomingHttpHeaders
  body: string
}

const answers: Readonly<Record<string, string>> = {
  uploads: '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>',
  copy: '<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>',
}

/** A store that takes everything, and what it was sent. */
async function taking(options: Partial<S3Options>): Promise<Scripted & { seen: Seen[] }> {
  const seen: Seen[] = []
  const scene = await scripted(
    async (request, response) => {
      const body = (await drain(request)).toString()
      seen.push({ line: `${request.method} ${request.url}`, headers: request.headers, body })
      response.writeHead(request.url?.includes('restore') ? 202 : 200, { etag: '"e"', 'x-amz-version-id': 'v1' })
      const isCopy = request.headers['x-amz-copy-source'] !== undefined
      response.end(request.url?.includes('uploads') ? answers['uploads'] : isCopy ? answers['copy'] : undefined)
    },
    options,
    s3,
  )
  return { ...scene, seen }
}

const tags = { 'a b': 'c+d', 'k:/=@': '=', ä: '日 本', empty: '' }
const encodedTags = 'a%20b=c%2Bd&k%3A%2F%3D%40=%3D&%C3%A4=%E6%97%A5%20%E6%9C%AC&empty='

describe.each(['lean', 'sdk'] as const)('by the data path %s', (dataPath) => {
  it('tags and storage class of every kind of write are sent as AWS documents them', async () => {
    const { adapter, seen } = await taking({ dataPath })
    const attributes = { tags, storageClass: 'GLACIER_IR' }
    await adapter.put('k', text('x'), attributes)
    await adapter.multipart.create('k', attributes)
    await adapter.copy('k', 'l', { headers: 'replace', ...attributes })
    expect(seen).toHaveLength(3)
    for (const { headers } of seen) {
      expect(headers).toMatchObject({ 'x-amz-tagging': encodedTags, 'x-amz-storage-class': 'GLACIER_IR' })
    }
    expect(seen[2]?.headers).toMatchObject({ 'x-amz-tagging-directive': 'REPLACE' })
    await adapter.copy('k', 'l', { storageClass: 'STANDARD_IA' })
    expect(seen[3]?.headers).toMatchObject({
      'x-amz-tagging-directive': 'COPY',
      'x-amz-metadata-directive': 'COPY',
      'x-amz-storage-class': 'STANDARD_IA',
    })
    expect(seen[3]?.headers).not.toHaveProperty('x-amz-tagging')
  })

  it('encryption goes with puts, uploads and copies, and not with their parts', async () => {
    const cases: [S3Options['encryption'], Record<string, string>][] = [
      [{ type: 'sse-s3' }, { 'x-amz-server-side-encryption': 'AES256' }],
      [
        { type: 'sse-kms', keyId: 'alias/data', bucketKey: true, context: { team: 'ü' } },
        {
          'x-amz-server-side-encryption': 'aws:kms',
          'x-amz-server-side-encryption-aws-kms-key-id': 'alias/data',
          'x-amz-server-side-encryption-bucket-key-enabled': 'true',
          'x-amz-server-side-encryption-context': Buffer.from('{"team":"ü"}').toString('base64'),
        },
      ],
    ]
    for (const [encryption, expected] of cases) {
      const { adapter, seen } = await taking({ dataPath, ...(encryption === undefined ? {} : { encryption }) })
      expect(adapter.capabilities.etagIsMd5).toBe(false)
      await adapter.put('k', text('x'))
      await adapter.multipart.create('k')
      await adapter.copy('k', 'l')
      for (const { headers } of seen) {
        const sent = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-server-side'))
        expect(Object.fromEntries(sent)).toEqual(expected)
      }
      await adapter.multipart.uploadPart('k', 'u1', 1, text('x'))
      expect(seen[3]?.headers).not.toHaveProperty('x-amz-server-side-encryption')
    }
  })

  it('what the object lies in the archive of is told, and reading it fails with archived', async () => {
    const states: Record<string, string>[] = [
      { 'x-amz-storage-class': 'GLACIER' },
      { 'x-amz-storage-class': 'DEEP_ARCHIVE', 'x-amz-restore': 'ongoing-request="true"' },
      { 'x-amz-storage-class': 'INTELLIGENT_TIERING', 'x-amz-archive-status': 'DEEP_ARCHIVE_ACCESS' },
      { 'x-amz-storage-class': 'GLACIER', 'x-amz-restore': 'ongoing-request="false", expiry-date="x"' },
      { 'x-amz-storage-class': 'GLACIER_IR' },
    ]
    const { adapter } = await scripted(
      (request, response, index) => {
        if (request.method === 'GET') return fail(response, 403, 'InvalidObjectState')
        response.writeHead(200, { etag: '"e"', 'content-length': '5', ...states[index] }).end()
      },
      { dataPath },
      s3,
    )
    const told: unknown[] = []
    for (const _ of states) told.push((await adapter.head('k')).archived)
    expect(told).toEqual([true, true, true, undefined, undefined])
    await expectCode(adapter.get('k'), 'archived')
  })
})

it('tags, classes and days that AWS does not take are refused before a byte is sent', async () => {
  const { adapter, requests } = await taking({})
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`t${i}`, '']))
  for (const wrong of [
    many,
    { '': 'x' },
    { ['k'.repeat(129)]: '' },
    { k: 'v'.repeat(257) },
    { 'aws:x': '' },
    { a: '&' },
  ]) {
    await expectCode(adapter.put('k', text('x'), { tags: wrong }), 'invalid-request')
    await expectCode(adapter.multipart.create('k', { tags: wrong }), 'invalid-request')
    await expectCode(adapter.copy('k', 'l', { headers: 'replace', tags: wrong }), 'invalid-request')
  }
  await expectCode(adapter.put('k', text('x'), { storageClass: 'a b' }), 'invalid-request')
  for (const days of [0, 1.5, Number.NaN]) await expectCode(adapter.restore('k', { days }), 'invalid-request')
  expect(requests).toEqual([])
  await adapter.put('k', text('x'), { tags: { ['𝒦'.repeat(128)]: '日'.repeat(256) } })
  expect(requests).toHaveLength(1)
})

it('encryption options that contradict themselves are refused', () => {
  const options = { id: 'a', bucket: 'b' }
  for (const encryption of [
    { type: 'sse-c' },
    { type: 'sse-s3', keyId: 'k' },
    { type: 'sse-kms', keyId: '' },
  ] as unknown as NonNullable<S3Options['encryption']>[]) {
    expect(() => s3({ ...options, encryption })).toThrow(/encryption\./)
  }
})

it('tags are read as they are written, of one version too', async () => {
  const { adapter, requests } = await scripted(
    (_request, response) => {
      response.end(
        '<Tagging><TagSet><Tag><Key>a b</Key><Value>c+d</Value></Tag><Tag><Key>ä</Key><Value></Value></Tag></TagSet></Tagging>',
      )
    },
    {},
    s3,
  )
  expect(await adapter.getTags('k', { versionId: 'v 1' })).toEqual({ 'a b': 'c+d', ä: '' })
  expect(requests[0]).toMatch(/^GET \/bucket\/k\?tagging=?&versionId=v%201/)
})

it('restores are asked for with their tier; one that is under way is enough', async () => {
  const bodies: string[] = []
  const states = ['GLACIER', 'INTELLIGENT_TIERING', 'GLACIER']
  const { adapter, requests } = await scripted(
    async (request, response) => {
      if (request.method === 'HEAD') {
        return void response.writeHead(200, { etag: '"e"', 'x-amz-storage-class': states[bodies.length] }).end()
      }
      bodies.push((await drain(request)).toString())
      if (bodies.length === 3) return fail(response, 409, 'RestoreAlreadyInProgress')
      response.writeHead(202).end()
    },
    {},
    s3,
  )
  await adapter.restore('k', { days: 3, tier: 'bulk' })
  await adapter.restore('k', { days: 3 })
  await adapter.restore('k', { days: 3, tier: 'expedited' })
  expect(requests[1]).toMatch(/^POST \/bucket\/k\?restore=?/)
  expect(bodies[0]).toContain('<Days>3</Days><GlacierJobParameters><Tier>Bulk</Tier>')
  expect(bodies[1]).not.toContain('Days')
  expect(bodies[1]).toContain('<Tier>Standard</Tier>')
  expect(bodies[2]).toContain('<Tier>Expedited</Tier>')
})
