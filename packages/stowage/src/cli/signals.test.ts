import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Proxy as FaultProxy,
  freshBucket,
  runCli,
  startCli,
  startProxy,
  type TestServer,
  tempDir,
  until,
  withMinio,
} from '@stowage/test-support'
import { expect, it } from 'vitest'

const MIB = 1024 * 1024
const FILES = 3
const SIZE = 8 * MIB

/** A folder with a catalog, a public folder as a source, and a bucket behind a slow line. */
async function world(server: TestServer): Promise<{ cwd: string; proxy: FaultProxy }> {
  const bucket = await freshBucket(server)
  const cwd = tempDir('signals')
  const proxy = await startProxy({ target: server.endpoint })
  mkdirSync(join(cwd, 'disk'))
  mkdirSync(join(cwd, 'folder'))
  const bytes = randomBytes(SIZE)
  for (let i = 0; i < FILES; i++) {
    bytes[0] = i
    writeFileSync(join(cwd, 'folder', `file-${i}`), bytes)
  }
  const { accessKey, secretKey } = server
  writeFileSync(
    join(cwd, 'stowage.config.json'),
    JSON.stringify({
      sources: [
        { id: 'disk', type: 'filesystem', root: './disk', isPublic: true },
        { id: 'lan', type: 'minio', endpoint: proxy.endpoint, bucket: bucket.name, accessKey, secretKey },
      ],
      policies: [{ id: 'inward', on: 'publish', from: 'disk', to: 'lan' }],
    }),
  )
  await done(cwd, 'dataset', 'create', 'cats')
  return { cwd, proxy }
}

/** Runs a command to its good end. */
async function done(cwd: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await runCli(args, { cwd })
  expect(code, stderr).toBe(0)
}

/** Runs a command over the slow line and ends it with SIGTERM when so many bytes have passed. */
async function stopped(
  cwd: string,
  proxy: FaultProxy,
  args: string[],
  direction: 'bytesUp' | 'bytesDown',
  bytes: number,
) {
  proxy.throttle(8 * MIB)
  proxy.resetCounts()
  const child = startCli(args, { cwd })
  let ended = false
  void child.done.then(() => {
    ended = true
  })
  await until('enough has passed', () => ended || proxy[direction] >= bytes, {
    everyMs: 5,
    seen: () => proxy[direction],
  })
  if (ended) throw new Error(`over before it was stopped: ${(await child.done).stderr}`)
  child.process.kill('SIGTERM')
  const run = await child.done
  expect(run.stderr).not.toContain('    at ')
  expect(run.code, run.stderr).toBe(75)
  proxy.throttle(Number.POSITIVE_INFINITY)
  return JSON.parse(run.stdout)
}

await withMinio((server) => {
  it('SIGTERM in an upload: 75, and the same command goes on with what was sent', async () => {
    const { cwd, proxy } = await world(server)
    const args = ['dataset', 'put', 'cats', 'folder', '--json', '--concurrency', '1']
    const first = await stopped(cwd, proxy, args, 'bytesUp', 1.5 * SIZE)
    expect(first).toMatchObject({ status: 'failed', error: { code: 'aborted' } })
    const second = await runCli(args, { cwd })
    expect(second.code, second.stderr).toBe(0)
    const result = JSON.parse(second.stdout)
    expect(result).toMatchObject({ files: FILES, version: { number: 1, fileCount: FILES } })
    expect(result.transferred).toBeLessThanOrEqual(2 * SIZE)
    await done(cwd, 'dataset', 'get', 'cats', 'out')
    expect(readFileSync(join(cwd, 'out', 'file-2')).equals(readFileSync(join(cwd, 'folder', 'file-2')))).toBe(true)
  })

  it('a folder that was changed since goes into a new draft', async () => {
    const { cwd, proxy } = await world(server)
    const args = ['dataset', 'put', 'cats', 'folder', '--json', '--concurrency', '1']
    await stopped(cwd, proxy, args, 'bytesUp', 1.5 * SIZE)
    writeFileSync(join(cwd, 'folder', 'file-0'), 'changed')
    const second = await runCli(args, { cwd })
    expect(second.code, second.stderr).toBe(0)
    await done(cwd, 'dataset', 'get', 'cats', 'out')
    expect(readFileSync(join(cwd, 'out', 'file-0'), 'utf8')).toBe('changed')
  })

  it('SIGTERM in the sync that follows: the version is told, and a later command finishes it', async () => {
    const { cwd, proxy } = await world(server)
    const args = ['dataset', 'put', 'cats', 'folder', '--json', '--user-type', 'external']
    const first = await stopped(cwd, proxy, args, 'bytesUp', SIZE)
    expect(first).toMatchObject({ version: { number: 1 }, replications: [{ status: 'paused', to: 'lan' }] })
    writeFileSync(join(cwd, 'folder', 'more'), 'more')
    const second = await runCli(args, { cwd })
    expect(second.code, second.stderr).toBe(0)
    const { replicas } = JSON.parse((await runCli(['dataset', 'show', 'cats', '--json'], { cwd })).stdout)
    expect(replicas.map((r: { version: number; status: string }) => [r.version, r.status]).sort()).toEqual([
      [1, 'ready'],
      [1, 'ready'],
      [2, 'ready'],
      [2, 'ready'],
    ])
  })

  it('SIGTERM in a download, and in verify: 75, and the same command goes on', async () => {
    const { cwd, proxy } = await world(server)
    await done(cwd, 'dataset', 'put', 'cats', 'folder')
    const args = ['dataset', 'get', 'cats', 'out', '--json', '--concurrency', '1']
    expect(await stopped(cwd, proxy, args, 'bytesDown', 1.5 * SIZE)).toMatchObject({ error: { code: 'aborted' } })
    const second = await runCli(args, { cwd })
    expect(second.code, second.stderr).toBe(0)
    expect(JSON.parse(second.stdout)).toMatchObject({ files: FILES, present: 1 })
    const verify = ['verify', 'lan:', 'lan:', '--json']
    expect(await stopped(cwd, proxy, verify, 'bytesDown', SIZE)).toMatchObject({ error: { code: 'aborted' } })
    await done(cwd, ...verify)
  })
})
