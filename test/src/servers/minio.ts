import { join } from 'node:path'
import { askMain } from '../run/coordinator.ts'
import { containerEngine, startMinioContainer } from './container.ts'
import { cacheFolder, findBinary, goFolders, goInstall, isExecutable } from './find.ts'
import { type OwnServer, ServerUnavailable, type StartOptions, type TestServer } from './server.ts'
import { startServer, testKeys } from './start.ts'

// The last version: the project is archived.
const module = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c'

/** A program, or a container engine that can run one. */
type Minio = { readonly binary: string } | { readonly container: true }

/**
 * Finds MinIO, or makes it: `STOWAGE_TEST_MINIO` (a path, or `container`), the PATH, Go's folder of programs, the cache,
 * a build with Go, a container.
 * @throws ServerUnavailable
 */
export async function findMinio(): Promise<Minio> {
  const wanted = process.env['STOWAGE_TEST_MINIO']
  if (wanted && wanted !== 'container') {
    if (isExecutable(wanted)) return { binary: wanted }
    throw new ServerUnavailable(`MinIO: STOWAGE_TEST_MINIO names ${wanted}, which cannot be executed`)
  }
  const tried: string[] = []
  if (wanted !== 'container') {
    const cached = join(cacheFolder(), `minio-${module.split('@')[1]}`)
    const found = findBinary('minio', [...(await goFolders()), cached])
    if (found !== undefined) return { binary: found }
    if (findBinary('go') === undefined) tried.push('no minio and no go on the PATH')
    else {
      try {
        return { binary: await goInstall(module) }
      } catch (error) {
        tried.push((error as Error).message)
      }
    }
  }
  if (await containerEngine()) return { container: true }
  throw new ServerUnavailable(`MinIO: ${[...tried, 'no container engine answers'].join('; ')}`)
}

let found: Promise<Minio> | undefined

/**
 * Starts a MinIO of the caller's own, which it may kill. Stopped by `stop`, by `await using`, and in any case with the
 * process that started it.
 * @throws ServerUnavailable when there is none
 */
export async function startMinio(options: StartOptions = {}): Promise<OwnServer> {
  found ??= findMinio()
  const minio = await found
  if ('container' in minio) return startMinioContainer(options)
  return startServer(
    {
      name: 'minio',
      binary: minio.binary,
      command: ({ address, data, certs }) => ({
        args: ['server', data, '--address', address, '--certs-dir', certs, '--quiet'],
        env: {
          MINIO_ROOT_USER: testKeys.accessKey,
          MINIO_ROOT_PASSWORD: testKeys.secretKey,
          MINIO_BROWSER: 'off',
          MINIO_UPDATE: 'off',
        },
      }),
    },
    options,
  )
}

let shared: Promise<TestServer> | undefined

/**
 * The MinIO that all tests of a run share. It is started when the first test asks for it, and ends with the run.
 * @throws ServerUnavailable when there is none; `withMinio` turns that into a skip with its reason
 */
export function minio(): Promise<TestServer> {
  shared ??= askMain('minio').then((answer) => {
    if (answer === undefined) return startMinio()
    if ('error' in answer) throw new ServerUnavailable(answer.error)
    return answer.value as TestServer
  })
  return shared
}
