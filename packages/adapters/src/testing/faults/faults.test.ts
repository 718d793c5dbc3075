import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StorageAdapter } from '@stowage/core'
import {
  createCertificate,
  freshBucket,
  ServerUnavailable,
  startHttpProxy,
  startMinio,
  startOssDouble,
  startProxy,
  type TestServer,
  tempDir,
  withMinio,
  withRustfs,
} from '@stowage/test-support'
import { afterAll, it } from 'vitest'
import { type MinioOptions, minio } from '../../minio/index.ts'
import { oss } from '../../oss/index.ts'
import { rustfs } from '../../rustfs/index.ts'
import type { FaultSuite } from './scene.ts'
import { testFaults } from './test-faults.ts'

/** A server that speaks S3, through wires of TCP and of HTTP; over TLS where it has a certificate. */
function onServer(server: TestServer, make: (options: MinioOptions) => StorageAdapter): FaultSuite['start'] {
  const { endpoint, accessKey, secretKey, region } = server
  const own = new URL(endpoint)
  const tls = server.ca === undefined ? undefined : { ...createCertificate(), ca: server.ca }
  const ca = join(tempDir('ca'), 'ca.pem')
  if (tls !== undefined) writeFileSync(ca, tls.ca + tls.cert)
  return async () => {
    const bucket = await freshBucket(server)
    return {
      create: ({ port, ...options }) =>
        make({
          ...options,
          id: 'lan',
          endpoint: `${own.protocol}//127.0.0.1:${port ?? own.port}`,
          bucket: bucket.name,
          region,
          accessKey,
          secretKey,
          ...(tls === undefined ? {} : { tls: { ca } }),
        }),
      startWire: () => startProxy({ target: endpoint }),
      startBetween: () => startHttpProxy({ target: endpoint, ...(tls === undefined ? {} : { tls }) }),
    }
  }
}

const dataPaths = ['lean', 'sdk'] as const

await withMinio((server) => {
  for (const dataPath of dataPaths) {
    testFaults({ name: `minio (${dataPath})`, start: onServer(server, (options) => minio({ ...options, dataPath })) })
  }
})

await withRustfs((server) => {
  for (const dataPath of dataPaths) {
    testFaults({ name: `rustfs (${dataPath})`, start: onServer(server, (options) => rustfs({ ...options, dataPath })) })
  }
})

const secured = await startMinio({ tls: true }).catch((error: unknown) => {
  if (error instanceof ServerUnavailable && process.env['CI'] !== 'true') return error
  throw error
})
if (secured instanceof Error) it('needs minio', ({ skip }) => skip(secured.message))
else {
  afterAll(() => secured.stop())
  for (const dataPath of dataPaths) {
    const start = onServer(secured, (options) => minio({ ...options, dataPath }))
    testFaults({ name: `minio over TLS (${dataPath})`, start })
  }
}

const double = await startOssDouble()
afterAll(() => double.stop())

testFaults({
  name: 'oss',
  start: async () => {
    const { accessKey, secretKey, region } = double
    const bucket = double.createBucket()
    const target = `http://127.0.0.1:${double.port}`
    return {
      create: ({ port, ...options }) =>
        oss({
          ...options,
          id: 'cloud',
          endpoint: `http://oss-${region}.localhost:${port ?? double.port}`,
          bucket,
          region,
          accessKey,
          secretKey,
        }),
      startWire: () => startProxy({ target }),
      startBetween: () => startHttpProxy({ target }),
    }
  },
})
