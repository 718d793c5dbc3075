import { resolveLocalhost, startOssDouble } from '@stowage/test-support'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Called } from '../shared/index.ts'
import type { OssOptions } from './index.ts'
import { ossCapabilities } from './options.ts'
import { type OssCall, Transport } from './transport.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

function transport(): Transport {
  const { endpoint, region, accessKey, secretKey } = double
  const options: OssOptions = { id: 'raw', endpoint, region, bucket: double.createBucket(), accessKey, secretKey }
  const called: Called = { id: 'raw', capabilities: ossCapabilities(options) }
  const made = new Transport(called, options)
  onTestFinished(() => made.close())
  return made
}

const body = Buffer.from('x')

/** What the adapter itself never sends; that the store would refuse it is why. */
const refused: [string, OssCall, string][] = [
  [
    'a chunked encoding of AWS',
    { method: 'PUT', key: 'a', headers: { 'content-encoding': 'aws-chunked' }, body: () => body },
    'InvalidArgument',
  ],
  ['a leading slash', { method: 'PUT', key: '/a', body: () => body }, 'InvalidObjectName'],
  ['a leading backslash', { method: 'PUT', key: '\\a', body: () => body }, 'InvalidObjectName'],
  ['a key of 1,024 bytes', { method: 'PUT', key: 'k'.repeat(1024), body: () => body }, 'InvalidObjectName'],
  [
    'metadata of more than 8 KB',
    { method: 'PUT', key: 'a', headers: { 'x-oss-meta-a': 'x'.repeat(8200) }, body: () => body },
    'InvalidArgument',
  ],
  [
    'metadata names with dots',
    { method: 'PUT', key: 'a', headers: { 'x-oss-meta-a.b': 'x' }, body: () => body },
    'InvalidArgument',
  ],
  [
    'other bytes than announced',
    { method: 'PUT', key: 'a', headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, body: () => body },
    'InvalidDigest',
  ],
  ['deletes that are not announced', { method: 'POST', query: { delete: '' }, body: () => body }, 'MissingArgument'],
  [
    'a page of more than 1,000 keys',
    { method: 'GET', query: { 'list-type': '2', 'max-keys': '1001' } },
    'InvalidArgument',
  ],
  [
    'part 10,001',
    { method: 'PUT', key: 'a', query: { uploadId: 'u', partNumber: '10001' }, body: () => body },
    'InvalidArgument',
  ],
]

describe('what OSS refuses', () => {
  it.each(refused)('%s', async (_, call, code) => {
    const error = await transport()
      .send(call)
      .then(
        () => expect.fail('it was taken'),
        (reason: Error) => reason,
      )
    expect((error.cause as Error).message).toMatch(new RegExp(`^${code} `))
  })
})
