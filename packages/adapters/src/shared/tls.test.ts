import { writeFileSync } from 'node:fs'
import { createServer as createPlain } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net'
import { join } from 'node:path'
import type { StorageAdapter } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { createCertificate, tempDir, testSecret } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { minio } from '../minio/index.ts'
import { oss } from '../oss/index.ts'

const year = 365 * 86_400_000
const object = { etag: '"e"', 'content-length': '5', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A store with a certificate for `localhost`, made at that time. */
async function secured(at = Date.now()): Promise<{ port: number; ca: string }> {
  const { cert, key } = createCertificate(new Date(at))
  const ca = join(tempDir('ca'), 'ca.pem')
  writeFileSync(ca, cert)
  const server = createServer({ cert, key }, (request, response) => {
    request.resume()
    response.writeHead(200, object)
    response.end()
  })
  server.on('connection', (socket) => onTestFinished(() => void socket.destroy()))
  return { port: await listen(server), ca }
}

const common = {
  id: 'lan',
  bucket: 'bucket',
  accessKey: 'key',
  secretKey: testSecret('tls'),
  allowPlainHttp: true,
  attempts: 2,
}
const resolve = async (): Promise<{ address: string; family: number }[]> => [{ address: '127.0.0.1', family: 4 }]

interface Given {
  endpoint: string
  ca?: string
}
const tlsOf = (ca: string | undefined): { tls?: { ca: string } } => (ca === undefined ? {} : { tls: { ca } })
const s3 = ({ endpoint, ca }: Given, dataPath: 'lean' | 'sdk'): StorageAdapter =>
  minio({ ...common, endpoint, resolve, dataPath, ...tlsOf(ca) })
const makers: Record<string, (given: Given) => StorageAdapter> = {
  lean: (given) => s3(given, 'lean'),
  sdk: (given) => s3(given, 'sdk'),
  // A custom domain: the certificate has no name of a bucket.
  oss: ({ endpoint, ca }) => oss({ ...common, endpoint, cname: true, region: 'cn-hangzhou', resolve, ...tlsOf(ca) }),
}

describe.each(Object.entries(makers))('TLS by %s', (_name, make) => {
  async function failure(given: Given): Promise<{ message: string; hint: string | undefined; retryable: boolean }> {
    const adapter = make(given)
    onTestFinished(() => adapter.close())
    const { message, hint, retryable } = await expectCode(adapter.head('key'), 'unavailable')
    expect(message).not.toContain('\n')
    expect(await adapter.probe()).toMatchObject({ ok: false, error: { message: expect.stringContaining(': ') } })
    return { message, hint, retryable }
  }

  it('is spoken with a store whose authority is given, under the name of the endpoint', async () => {
    const { port, ca } = await secured()
    const adapter = make({ endpoint: `https://localhost:${port}`, ca })
    onTestFinished(() => adapter.close())
    expect((await adapter.head('key')).size).toBe(5)
  })

  it('tells of a certificate for another name', async () => {
    const { port, ca } = await secured()
    const { message, hint, retryable } = await failure({ endpoint: `https://store.example:${port}`, ca })
    expect(message).toContain('another host name (ERR_TLS_CERT_ALTNAME_INVALID)')
    expect(hint).toContain('name of the certificate')
    expect(retryable).toBe(false)
  })

  it('tells of a certificate that has expired', async () => {
    const { port, ca } = await secured(Date.now() - year)
    const { message, hint, retryable } = await failure({ endpoint: `https://localhost:${port}`, ca })
    expect(message).toContain('has expired (CERT_HAS_EXPIRED)')
    expect(hint).toContain('Renew')
    expect(retryable).toBe(false)
  })

  it('tells of a certificate that is not valid yet', async () => {
    const { port, ca } = await secured(Date.now() + year)
    const { message, hint, retryable } = await failure({ endpoint: `https://localhost:${port}`, ca })
    expect(message).toContain('not valid yet (CERT_NOT_YET_VALID)')
    expect(hint).toContain('clock')
    expect(retryable).toBe(false)
  })

  it('tells of an authority that is not trusted', async () => {
    const { port } = await secured()
    const { message, hint, retryable } = await failure({ endpoint: `https://localhost:${port}` })
    expect(message).toContain('not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)')
    expect(hint).toContain('tls.ca')
    expect(retryable).toBe(false)
  })

  it('tells of a store that speaks plain HTTP', async () => {
    const port = await listen(createPlain((_request, response) => void response.end()))
    const { message, hint } = await failure({ endpoint: `https://localhost:${port}` })
    expect(message).toContain('does not speak TLS')
    expect(hint).toContain('http://')
  })

  it('is asked for where plain HTTP was spoken to it: a server that says so', async () => {
    // What Go's server answers, MinIO's therefore.
    const text = 'Client sent an HTTP request to an HTTPS server.\n'
    const port = await listen(
      createTcp((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end(`HTTP/1.0 400 Bad Request\r\n\r\n${text}`))
      }),
    )
    const adapter = make({ endpoint: `http://localhost:${port}` })
    onTestFinished(() => adapter.close())
    const error = await expectCode(adapter.get('key'), 'unavailable')
    expect(error.message).toContain('speaks TLS there')
    expect(error.hint).toContain('https://')
    expect(error.retryable).toBe(false)
  })

  it('is asked for where plain HTTP was spoken to it: a server that answers in TLS', async () => {
    // An alert: handshake failure.
    const alert = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28])
    const port = await listen(
      createTcp((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end(alert))
      }),
    )
    const { message, hint } = await failure({ endpoint: `http://localhost:${port}` })
    expect(message).toContain('not HTTP')
    expect(hint).toContain('https://')
  })
})
