/** Runs once in the main process of a test run, before the first worker and after the last. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { testLevel, testSeed } from '../level.ts'
import { notedSecrets, searchLog } from '../secrets/found.ts'
import { chooseMarker } from '../secrets/marker.ts'
import { startMinio } from '../servers/minio.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { startRustfs } from '../servers/rustfs.ts'
import { isBuilt } from './built.ts'
import { serveWorkers } from './coordinator.ts'
import { createRunFolder } from './guard.ts'
import { keepSecrets } from './late.ts'

export default async function setup(): Promise<() => Promise<void>> {
  process.env['STOWAGE_TEST_SEED'] = String(testSeed())
  const programs = isBuilt(join(import.meta.dirname, '../../../packages')) ? 'built' : 'sources'
  process.env['STOWAGE_TEST_PROGRAMS'] = programs
  console.log(
    `level ${testLevel}, seed ${process.env['STOWAGE_TEST_SEED']} (set STOWAGE_TEST_LEVEL, STOWAGE_TEST_SEED)`,
    `\nprograms start ${programs === 'built' ? 'as they were built' : 'from their sources, which are newer than the build'}\n`,
  )
  chooseMarker()
  const folder = createRunFolder()
  // Many tests start programs of the same sources: each is compiled once a run.
  process.env['NODE_COMPILE_CACHE'] ??= join(folder.path, 'compiled')
  const started: { kill(): Promise<void> }[] = []

  /** Starts a server of the run; what it is made of besides methods is told to the workers. */
  function provider<T extends { kill(): Promise<void> }>(start: () => Promise<T>): () => Promise<unknown> {
    return async () => {
      const server = await start().catch((error: Error) => {
        process.stderr.write(`NOT TESTED: ${error.message}\n`)
        throw error
      })
      started.push(server)
      return server
    }
  }

  const workers = await serveWorkers(folder.path, {
    minio: provider(() => startMinio()),
    rustfs: provider(() => startRustfs()),
    postgres: provider(() => startPostgres()),
    redis: provider(() => startRedis()),
  })
  return async () => {
    workers.close()
    // Nothing of theirs is kept, so that there is nothing to wait for.
    await Promise.all(started.map((server) => server.kill()))
    // Of servers that a test left to the end of the run, too.
    for (const log of globSync('*/log', { cwd: folder.path })) searchLog(join(folder.path, log))
    keepSecrets(notedSecrets(folder.path))
    folder.remove()
  }
}
