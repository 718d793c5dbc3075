import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, it } from 'vitest'
import { crc64 } from './crc64.ts'
import { startOssDouble } from './double.ts'
import { resolveLocalhost } from './resolve.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

/** Sends a request as it is, and reads OSS's error code. */
function send(
  host: string,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{ status: number | undefined; code: string | undefined }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: double.port, path, method, headers: { host, ...headers } })
    request.on('error', reject)
    request.on('response', async (response) => {
      const body = await text(response)
      resolve({ status: response.statusCode, code: /<Code>(.*?)<\/Code>/.exec(body)?.[1] })
    })
    request.end()
  })
}

const hostOf = (bucket: string): string => `${bucket}.oss-cn-hangzhou.localhost`

describe('the double', () => {
  it('wants the bucket in the host', async () => {
    const bucket = double.createBucket()
    const forbidden = { status: 403, code: 'SecondLevelDomainForbidden' }
    expect(await send('oss-cn-hangzhou.localhost', `/${bucket}/a`)).toEqual(forbidden)
    expect(await send('127.0.0.1', `/${bucket}/a`)).toEqual(forbidden)
    const answer = await fetch(`${double.endpoint}/${bucket}/a`)
    expect(answer.status).toBe(403)
    expect(answer.headers.get('x-oss-request-id')).toMatch(/^[0-9A-F]{24}$/)
  })

  it('lets nobody in who did not sign, or signed another thing', async () => {
    const host = hostOf(double.createBucket())
    const denied = async (headers: Record<string, string>, query = ''): Promise<string | undefined> =>
      (await send(host, `/a${query}`, headers)).code
    const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const scope = `${now.slice(0, 8)}/cn-hangzhou/oss/aliyun_v4_request`
    const v4 = { 'x-oss-date': now, 'x-oss-content-sha256': 'UNSIGNED-PAYLOAD' }
    const sign = (credential: string): string => `OSS4-HMAC-SHA256 Credential=${credential},Signature=00`
    expect(await denied({})).toBe('AccessDenied')
    expect(await denied({ authorization: 'Basic x' })).toBe('InvalidArgument')
    expect(await denied({ authorization: 'OSS a:b', date: new Date().toUTCString() })).toBe('InvalidAccessKeyId')
    expect(await denied({ authorization: 'OSS a:b', date: new Date(0).toUTCString() })).toBe('RequestTimeTooSkewed')
    expect(await denied({ ...v4, authorization: sign(`${double.accessKey}/${scope}`) })).toBe('SignatureDoesNotMatch')
    const elsewhere = scope.replace('hangzhou', 'beijing')
    expect(await denied({ ...v4, authorization: sign(`${double.accessKey}/${elsewhere}`) })).toBe('InvalidArgument')
    const streaming = { ...v4, 'x-oss-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' }
    expect(await denied({ ...streaming, authorization: sign(`${double.accessKey}/${scope}`) })).toBe('InvalidArgument')
    const late = `?OSSAccessKeyId=${double.accessKey}&Expires=1&Signature=x`
    expect(await denied({}, late)).toBe('SignatureDoesNotMatch')
  })

  it('does what goes wrong once, and then no more', async () => {
    const host = hostOf(double.createBucket())
    double.inject({ fault: { error: 'ServiceUnavailable' } })
    expect(await send(host, '/a')).toEqual({ status: 503, code: 'ServiceUnavailable' })
    double.inject({ match: ({ key }) => key === 'b', fault: 'reset' })
    expect((await send(host, '/a')).code).toBe('AccessDenied')
    await expect(send(host, '/b')).rejects.toThrow()
    expect((await send(host, '/b')).code).toBe('AccessDenied')
  })

  it('computes the CRC64 of its catalogue', () => {
    expect(crc64(Buffer.from('123456789'))).toBe(0x995dc9bbdf1939fan)
  })
})
