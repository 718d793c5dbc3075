import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expectCode } from '@stowage/core/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { minio } from '../minio/index.ts'
import { oss } from '../oss/index.ts'
import { text } from '../testing/bytes.ts'
import { drain, type Scripted, scripted } from '../testing/scripted-server.ts'

/** A server that must not be reached. */
async function elsewhere(): Promise<{ host: string; reached: string[] }> {
  const reached: string[] = []
  const server = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`)
    response.end('stolen')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, reached }
}

type Headers = Record<string, string>
const makers: Record<string, (status: number, headers: Headers, body: string) => Promise<Scripted>> = {
  lean: (status, headers, body) => start(status, headers, body, (options) => minio({ ...options, dataPath: 'lean' })),
  sdk: (status, headers, body) => start(status, headers, body, (options) => minio({ ...options, dataPath: 'sdk' })),
  oss: (status, headers, body) =>
    start(status, headers, body, (options) => {
      const { port } = new URL(options.endpoint)
      const { encryption, ...rest } = options
      return oss({ ...rest, endpoint: `http://oss.localhost:${port}`, region: 'cn-hangzhou' })
    }),
}

function start(
  status: number,
  headers: Headers,
  body: string,
  create: NonNullable<Parameters<typeof scripted>[2]>,
): Promise<Scripted> {
  return scripted(
    async (request, response) => {
      await drain(request)
      response.writeHead(status, headers)
      response.end(request.method === 'HEAD' ? '' : body)
    },
    {},
    create,
  )
}

describe.each(Object.entries(makers))('a store that sends requests elsewhere, by %s', (_name, make) => {
  it.each([301, 302, 303, 307, 308])(
    'is not followed with the status %i, and the error names the place',
    async (status) => {
      const { host, reached } = await elsewhere()
      const { adapter, requests } = await make(
        status,
        { location: `http://${host}/bucket/key?X-Signature=1` },
        '<html>Moved</html>',
      )
      const call = adapter.get('key')
      const error = await expectCode(call, 'configuration')
      expect(error.hint).toContain(`endpoint to ${host}`)
      expect(`${error.hint}${error.message}`).not.toContain('X-Signature')
      expect(error.retryable).toBe(false)
      expect(requests.length).toBe(1)
      const calls = [() => adapter.put('key', text('x')), () => adapter.head('key'), () => adapter.copy('a', 'key')]
      for (const again of calls) await expectCode(again(), 'configuration')
      expect(reached).toEqual([])
    },
  )

  it('that names a host nobody would write is quoted by nothing', async () => {
    const { adapter } = await make(307, { location: 'http://user:pass@[::1' }, '')
    const error = await expectCode(adapter.get('key'), 'configuration')
    expect(`${error.hint}${error.message}`).not.toContain('pass')
  })
})

describe.each(['lean', 'sdk'] as const)('S3 that has the bucket elsewhere, by %s', (path) => {
  const make = makers[path] as NonNullable<(typeof makers)[string]>

  it('names endpoint and region, which the hint repeats', async () => {
    const body =
      '<?xml version="1.0"?><Error><Code>PermanentRedirect</Code><Message>The bucket must be addressed otherwise.</Message><Bucket>b</Bucket><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>'
    const headers = { 'content-type': 'application/xml', 'x-amz-bucket-region': 'eu-west-1' }
    const { adapter } = await make(301, headers, body)
    const error = await expectCode(adapter.get('key'), 'configuration')
    expect(error.hint).toContain('region to eu-west-1 and endpoint to b.s3.eu-west-1.amazonaws.com')
    const head = await expectCode(adapter.head('key'), 'configuration')
    expect(head.hint).toContain('region to eu-west-1')
  })

  it('names the region where a signature was for another', async () => {
    const body =
      '<?xml version="1.0"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting eu-west-1</Message><Region>eu-west-1</Region></Error>'
    const { adapter } = await make(400, { 'content-type': 'application/xml' }, body)
    const error = await expectCode(adapter.get('key'), 'configuration')
    expect(error.hint).toContain('region to eu-west-1')
  })
})
