import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { NetworkPolicy, StorageAdapter } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { testSecret } from '@stowage/test-support'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { minio } from '../minio/index.ts'
import { oss } from '../oss/index.ts'
import { Gate, type Resolve, type ResolvedAddress } from './connect.ts'

const hosts: string[] = []
const server = createServer((request, response) => {
  hosts.push(request.headers.host ?? '')
  request.resume()
  response.writeHead(200, { etag: '"e"', 'content-length': '5', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' })
  response.end()
})
let port = 0

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())

const v4 = (address: string): ResolvedAddress => ({ address, family: 4 })
const v6 = (address: string): ResolvedAddress => ({ address, family: 6 })

/** Answers with these in turn, the last for ever, and counts. */
function answers(...turns: ResolvedAddress[][]): { resolve: Resolve; asked: string[] } {
  const asked: string[] = []
  const resolve: Resolve = async (host) => {
    asked.push(host)
    return turns[Math.min(asked.length, turns.length) - 1] ?? []
  }
  return { resolve, asked }
}

const anywhere: NetworkPolicy = { allowLoopback: true, allowPrivateNetwork: true }

interface Given {
  resolve: Resolve
  network?: NetworkPolicy
  host?: string
}
const common = {
  id: 'lan',
  bucket: 'bucket',
  accessKey: 'key',
  secretKey: testSecret('connect'),
  allowPlainHttp: true,
  attempts: 1,
}
const s3 = ({ host = 'store.example', ...given }: Given, dataPath: 'lean' | 'sdk'): StorageAdapter =>
  minio({ ...common, ...given, endpoint: `http://${host}:${port}`, dataPath })
const makers: Record<string, (given: Given) => StorageAdapter> = {
  lean: (given) => s3(given, 'lean'),
  sdk: (given) => s3(given, 'sdk'),
  oss: ({ host = 'store.example', ...given }) =>
    oss({ ...common, ...given, endpoint: `http://${host}:${port}`, region: 'cn-hangzhou' }),
}

describe.each(Object.entries(makers))('connections by %s', (_name, make) => {
  function made(given: Given): StorageAdapter {
    const adapter = make(given)
    onTestFinished(() => adapter.close())
    hosts.length = 0
    return adapter
  }

  it('go to the address that was judged, for which nobody is asked twice; the host keeps its name', async () => {
    const { resolve, asked } = answers([v4('127.0.0.1')], [v4('169.254.169.254')])
    expect((await made({ resolve, network: anywhere }).head('key')).size).toBe(5)
    expect(asked.length).toBe(1)
    expect(hosts[0]).toContain(`store.example:${port}`)
  })

  it('are for a source of the configuration file when nothing is said: this machine is allowed', async () => {
    const { resolve } = answers([v4('127.0.0.1')])
    expect((await made({ resolve }).head('key')).size).toBe(5)
  })

  it.each([
    ['this machine', [v4('127.0.0.1')], { allowPrivateNetwork: true }],
    ['this machine in the dress of IPv6', [v6('::ffff:127.0.0.1')], { allowPrivateNetwork: true }],
    ['a private network', [v4('10.0.0.1')], {}],
    ['a metadata service', [v4('169.254.169.254')], anywhere],
    ['a metadata service in the dress of IPv6', [v6('::ffff:169.254.169.254')], anywhere],
    ['a link-local address', [v6('fe80::1')], anywhere],
    ['a good and a bad address', [v4('127.0.0.1'), v4('169.254.169.254')], anywhere],
  ] as const)('are refused before a byte is sent when the name leads to %s', async (_what, addresses, network) => {
    const { resolve } = answers([...addresses])
    const error = await expectCode(made({ resolve, network }).head('key'), 'configuration')
    expect(error.message).toContain('store.example resolves to')
    expect(error.field).toBe('endpoint')
    expect(error.sourceId).toBe('lan')
    expect(error.retryable).toBe(false)
    expect(hosts).toEqual([])
  })

  it('are judged anew each time: a name that led to a public address does not lead inside later', async () => {
    const { resolve, asked } = answers([v4('127.0.0.1')], [v4('169.254.169.254')])
    const adapter = made({ resolve, network: anywhere })
    await adapter.head('key')
    server.closeAllConnections()
    await expect
      .poll(async () => adapter.head('key').catch((error: { code: string }) => error.code))
      .toBe('configuration')
    expect(asked.length).toBe(2)
  })

  it('are not made for a name without an address', async () => {
    const error = await expectCode(made({ resolve: answers([]).resolve }).head('key'), 'unavailable')
    expect(error.hint).toContain('endpoint')
  })

  it('of control calls are judged too', async () => {
    const { resolve } = answers([v4('169.254.169.254')])
    const adapter = made({ resolve })
    await expectCode(adapter.copy('a', 'b'), 'configuration')
    expect((await adapter.probe()).error?.code).toBe('configuration')
    expect(hosts).toEqual([])
  })

  it('to names of this machine ask no resolver', async () => {
    const { resolve, asked } = answers([v4('93.184.216.34')])
    expect((await made({ resolve, host: 'oss.localhost' }).head('key')).size).toBe(5)
    expect(asked).toEqual([])
  })
})

describe('an endpoint', () => {
  it.each(['http://127.0.0.1:9000', 'http://localhost:9000', 'https://10.0.0.1', 'https://[::1]'])(
    '%s is refused when it may be neither here nor in this network',
    (endpoint) => {
      expect(() => minio({ ...common, endpoint, network: {} })).toThrow(/refused/)
    },
  )

  it.each([
    'http://169.254.169.254',
    'http://[::ffff:169.254.169.254]',
    'http://metadata.google.internal',
    'http://2130706433',
  ])('%s is refused for every source', (endpoint) => {
    expect(() => minio({ ...common, endpoint })).toThrow(/refused/)
    expect(() => oss({ ...common, endpoint, region: 'cn-hangzhou' })).toThrow(/refused/)
  })

  it('in place of a name is judged when it is connected to: nothing is resolved then', () => {
    const gate = new Gate({ id: 'lan' })
    expect(() => gate.judgeLiteral('[fe80::1]')).toThrow(/link-local/)
    expect(() => gate.judgeLiteral('169.254.169.254')).toThrow(/metadata/)
    gate.judgeLiteral('store.example')
    gate.judgeLiteral('127.0.0.1')
  })
})
