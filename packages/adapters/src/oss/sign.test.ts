import { runs, testSeed } from '@stowage/test-support'
import AliOss from 'ali-oss'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalRequestV4, type Signing, signHeaders, stringToSignV1 } from './sign.ts'

/** Keys that signatures, URLs and XML have been known to change. */
const keys = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    fc.constantFrom('a b', 'a+b', '%2F', 'a/b//c', "!'()*", '文件/数据.txt', '😀', 'x&y=z?', '~-._', '#;,:@$'),
  )
  .filter((key) => key.isWellFormed() && !/^[/\\]/.test(key) && !/(^|\/)\.{1,2}(\/|$)/.test(key))

describe('signatures', () => {
  it('are those of the reference: version 1', () => {
    const headers = {
      'content-md5': 'ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=',
      'content-type': 'text/html',
      'x-oss-magic': 'abracadabra',
      'x-oss-meta-author': 'foo@bar.com',
    }
    const request = { method: 'PUT', bucket: 'oss-example', key: 'nelson', query: {}, headers }
    const credentials = { accessKey: '44CF9590006BF252F707', secretKey: 'OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV' }
    const now = Date.parse('Thu, 17 Nov 2005 18:49:58 GMT')
    const signed = signHeaders(request, { version: 'v1', region: '', credentials, now })
    expect(signed['authorization']).toBe('OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA=')
  })

  it("are those of the vendor's other SDKs: version 4", () => {
    const query = {
      param1: 'value1',
      '+param1': 'value3',
      '|param1': 'value4',
      '+param2': '',
      '|param2': '',
      param2: '',
    }
    const headers = { 'x-oss-head1': 'value', abc: 'value', 'content-type': 'text/plain' }
    const request = { method: 'PUT', bucket: 'bucket', key: '1234+-/123/1.txt', query, headers }
    const credentials = { accessKey: 'ak', secretKey: 'sk' }
    const signed = signHeaders(request, { version: 'v4', region: 'cn-hangzhou', credentials, now: 1702743657_000 })
    expect(signed['authorization']).toBe(
      'OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,Signature=e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe',
    )
  })

  it.each(['v1', 'v4'] as const)('of version %s are those of ali-oss, whatever the key', async (version) => {
    const credentials = { accessKey: 'ak', secretKey: 'sk', sessionToken: 'to/ken+=' }
    let sent: { method: string; headers: Readonly<Record<string, string | number>> } | undefined
    const client = new AliOss({
      accessKeyId: credentials.accessKey,
      accessKeySecret: credentials.secretKey,
      stsToken: credentials.sessionToken,
      refreshSTSTokenInterval: 1,
      bucket: 'bucket',
      endpoint: 'https://oss-cn-hangzhou.aliyuncs.com',
      region: 'oss-cn-hangzhou',
      cname: false,
      authorizationV4: version === 'v4',
      amendTimeSkewed: 0,
      urllib: {
        request: async (_url, params) => {
          sent = params
          return { status: 200, headers: {}, data: Buffer.alloc(0), res: { status: 200, headers: {} } }
        },
      },
    })
    await fc.assert(
      fc.asyncProperty(keys, async (key) => {
        await client.head(key)
        const all = Object.fromEntries(
          Object.entries(sent?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
        )
        const { authorization, ...headers } = all
        const date = headers['x-oss-date'] ?? ''
        const time = version === 'v1' ? date : date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z')
        const signing: Signing = { version, region: 'cn-hangzhou', credentials, now: Date.parse(time) }
        const request = { method: 'HEAD', bucket: 'bucket', key, query: {}, headers }
        const ours = signHeaders(request, signing)['authorization']
        expect(ours).toBe(authorization)
      }),
      { numRuns: runs(200, 10_000), seed: testSeed() },
    )
  })

  it('cover the session token, the copy source and every other header of OSS', () => {
    const request = {
      method: 'PUT',
      bucket: 'b',
      key: 'k',
      query: { uploadId: 'u', partNumber: '1', prefix: 'p' },
      headers: { 'x-oss-copy-source': '/b/other', range: 'bytes=0-1', 'content-length': '1' },
    }
    expect(stringToSignV1(request, 'date')).toBe(
      'PUT\n\n\ndate\nx-oss-copy-source:/b/other\n/b/k?partNumber=1&uploadId=u',
    )
    expect(canonicalRequestV4(request)).toBe(
      'PUT\n/b/k\npartNumber=1&prefix=p&uploadId=u\nx-oss-copy-source:/b/other\n\n\nUNSIGNED-PAYLOAD',
    )
  })
})
