import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { ServerUnavailable, s3Request, startMinio, tempDir, testSecret } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { minio } from '../minio/index.ts'
import { readBytes, text } from '../testing/bytes.ts'
import { s3 } from './index.ts'

const bucket = { id: 'lan', bucket: 'b', accessKey: 'key', secretKey: testSecret('top') }

function refused(make: () => unknown): StowageError {
  try {
    make()
  } catch (error) {
    if (StowageError.isInstance(error)) return error
    throw error
  }
  return expect.fail('nothing was refused')
}

describe('the endpoint', () => {
  it.each([
    'not an address',
    'ftp://host',
    `https://user:${testSecret('top')}@host`,
    'https://host/?x=1',
    'http://minio.lan:9000',
    'http://127.0.0.1.evil.example',
    'http://169.254.169.254',
  ])('is refused: %s', (endpoint) => {
    const error = refused(() => minio({ ...bucket, endpoint }))
    expect(error.code).toBe('configuration')
    expect(error.field).toBe('endpoint')
    expect(error.message).not.toContain(testSecret('top'))
  })

  it.each(['https://minio.lan:9000', 'http://localhost:9000', 'http://127.0.0.2', 'http://[::1]:9000'])(
    'is taken: %s',
    (endpoint) => {
      expect(minio({ ...bucket, endpoint }).type).toBe('minio')
    },
  )

  it('may be plain HTTP to another machine where that is allowed', () => {
    expect(minio({ ...bucket, endpoint: 'http://minio.lan:9000', allowPlainHttp: true }).type).toBe('minio')
  })

  it('is not needed for AWS, and the error for missing halves of a key names the other', () => {
    expect(s3({ id: 'cloud', bucket: 'b' }).capabilities.archive).toBe(true)
    expect(refused(() => s3({ id: 'cloud', bucket: 'b', secretKey: testSecret('top') })).field).toBe('accessKey')
  })
})

describe('TLS', () => {
  it('is trusted by the given authority, and refused clearly without it', async ({ skip }) => {
    let server: Awaited<ReturnType<typeof startMinio>>
    try {
      server = await startMinio({ tls: true })
    } catch (error) {
      if (error instanceof ServerUnavailable) skip(error.message)
      throw error
    }
    await using own = server
    const ca = join(tempDir('ca'), 'ca.pem')
    writeFileSync(ca, own.ca ?? '')
    const name = 'with-tls'
    expect((await s3Request(own, { method: 'PUT', path: `/${name}` })).status).toBe(200)
    const options = {
      ...bucket,
      bucket: name,
      endpoint: own.endpoint,
      accessKey: own.accessKey,
      secretKey: own.secretKey,
    }
    const trusting = minio({ ...options, tls: { ca } })
    await trusting.put('a', text('x'))
    expect((await readBytes(trusting, 'a')).toString()).toBe('x')
    await trusting.close()
    const wary = minio(options)
    const error = await expectCode(wary.head('a'), 'unavailable')
    expect(error.retryable).toBe(false)
    expect(error.hint).toContain('tls.ca')
    await wary.close()
    await expectCode(minio({ ...options, tls: { ca: `${ca}-not` } }).head('a'), 'configuration')
  })
})
