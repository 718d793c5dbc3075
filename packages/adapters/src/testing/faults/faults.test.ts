import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StorageAdapter } from '@stowage/core'
import {
  freshBucket,
  ServerUnavailable,
  startHttpProxy,
  startMinio,
  startOssDouble,
  startProxy,
  type TestServer,
  tempDir,
  withMinio,
} from '@stowage/test-support'
import { afterAll, it } from 'vitest'
import { minio } from '../../minio/index.ts'
import { oss } from '../../oss/index.ts'
import type { FaultSuite, FaultyOptions } from './scene.ts'
import { testFaults } from './test-faults.ts'

function onMinio(server: TestServer, dataPath: 'lean' | 'sdk', ca?: string): FaultSuite['start'] {
  return async () => {
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey, region } = server
    const { protocol, port: own } = new URL(endpoint)
    const create = ({ port, ...options }: FaultyOptions): StorageAdapter =>
      minio({
        ...options,
        id: 'lan',
        endpoint: `${protocol}//127.0.0.1:${port ?? own}`,
        bucket: bucket.name,
        region,
        accessKey,
        secretKey,
        dataPath,
        ...(ca === undefined ? {} : { tls: { ca } }),
      })
    const startWire = () => startProxy({ target: endpoint })
    return ca === undefined
      ? { create, startWire, startBetween: () => startHttpProxy({ target: endpoint }) }
      : { create, startWire }
  }
}

await withMinio((server) => {
  testFaults({ name: 'minio (lean)', start: onMinio(server, 'lean') })
  testFaults({ name: 'minio (sdk)', start: onMinio(server, 'sdk') })
})

const secured = await startMinio({ tls: true }).catch((error: unknown) => {
  if (error instanceof ServerUnavailable && process.env['CI'] !== 'true') return error
  throw error
})
if (secured instanceof Error) it('needs minio', ({ skip }) => skip(secured.message))
else {
  afterAll(() => secured.stop())
  const ca = join(tempDir('ca'), 'ca.pem')
  writeFileSync(ca, secured.ca ?? '')
  testFaults({ name: 'minio over TLS (lean)', secure: true, start: onMinio(secured, 'lean', ca) })
  testFaults({ name: 'minio over TLS (sdk)', secure: true, start: onMinio(secured, 'sdk', ca) })
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
