/** MinIO as a container, for machines with a container engine and neither MinIO nor Go. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createCertificate } from './certificate.ts'
import type { OwnServer, StartOptions } from './server.ts'
import { freePort, isReady, testKeys } from './start.ts'

// The last image that was published.
const image = 'minio/minio:RELEASE.2025-09-07T16-13-09Z'
const inside = 9000

/** True when a container engine answers. */
export async function containerEngine(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import('testcontainers')
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  )
}

/** Starts MinIO in a container, on a port of its own that stays the same over a restart. */
export async function startMinioContainer(options: StartOptions = {}): Promise<OwnServer> {
  const { getContainerRuntimeClient, Wait } = await import('testcontainers')
  const { MinioContainer } = await import('@testcontainers/minio')
  const port = await freePort()
  const container = new MinioContainer(image)
    .withUsername(testKeys.accessKey)
    .withPassword(testKeys.secretKey)
    .withExposedPorts({ container: inside, host: port })
    .withEnvironment({ MINIO_BROWSER: 'off', MINIO_UPDATE: 'off', ...options.env })
  let ca: string | undefined
  if (options.tls) {
    const { cert, key } = createCertificate()
    ca = cert
    container
      .withCopyContentToContainer([
        { content: cert, target: '/certs/public.crt' },
        { content: key, target: '/certs/private.key' },
      ])
      .withCommand(['server', '--certs-dir', '/certs', '/data'])
      .withWaitStrategy(Wait.forListeningPorts())
  }
  const started = await container.start()
  const identity = {
    endpoint: `${options.tls ? 'https' : 'http'}://${started.getHost()}:${port}`,
    ...testKeys,
    region: 'us-east-1',
    pid: undefined,
    dataDir: undefined,
    ca,
  }

  async function ready(): Promise<void> {
    const deadline = Date.now() + 60_000
    while (!(await isReady(identity))) {
      if (Date.now() > deadline) throw new Error('minio: the container was not ready in time')
      await sleep(100)
    }
  }

  async function stop(): Promise<void> {
    await started.stop()
  }

  await ready()
  return {
    ...identity,
    stop,
    async kill() {
      const { container: containers } = await getContainerRuntimeClient()
      await containers.stop(containers.getById(started.getId()), { timeout: 0 })
    },
    async restart() {
      await started.restart()
      await ready()
    },
    [Symbol.asyncDispose]: stop,
  }
}
