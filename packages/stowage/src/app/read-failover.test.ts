import { once } from 'node:events'
import { createWriteStream, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { type OwnServer, runs, s3Request, startMinio, startProxy, tempDir, withMinio } from '@stowage/test-support'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DatasetFile, OpenOptions } from '../datasets/index.ts'
import { createStowage } from './create.ts'
import type { Stowage } from './stowage.ts'

const MIB = 1024 * 1024
const large = runs(64, 500) * MIB
const stallMs = 2000
const node = { workspaceId: 'w7', region: 'rack-7' }

/** The bytes of the large file from `at`, without keeping it. */
function pattern(at: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(Math.imul(at + i, 2654435761) >>> 0, i)
  return bytes
}

async function writePattern(path: string): Promise<void> {
  const out = createWriteStream(path)
  for (let at = 0; at < large; at += MIB) if (!out.write(pattern(at, MIB))) await once(out, 'drain')
  out.end()
  await finished(out)
}

/** Reads to the end, compares every byte, and gives the longest time without one. */
async function readThrough(file: DatasetFile, atByte: number, action: () => unknown): Promise<number> {
  let at = 0
  let longest = 0
  let last = performance.now()
  let isDone = false
  for await (const chunk of file.stream as AsyncIterable<Buffer>) {
    longest = Math.max(longest, performance.now() - last)
    if (!chunk.equals(pattern(at, chunk.length))) throw new Error(`Wrong bytes after ${at}.`)
    at += chunk.length
    if (!isDone && at >= atByte) {
      isDone = true
      await action()
    }
    last = performance.now()
  }
  expect(at).toBe(large)
  return Math.round(longest)
}

/** The file of the server's disk that has the most bytes below the key. */
function partOnDisk(server: OwnServer, key: string): string {
  const folder = join(server.dataDir as string, 'train', key)
  const parts = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /part\.\d+$/.test(name))
  const number = (name: string) => Number(name.split('part.').pop())
  const last = parts.sort((a, b) => number(a) - number(b)).at(-1)
  if (last === undefined) throw new Error(`No part of ${key} on disk.`)
  return join(folder, last)
}

await withMinio(() => {
  describe('a read from two real servers', () => {
    let near: OwnServer
    let far: OwnServer
    let proxy: Awaited<ReturnType<typeof startProxy>>
    let stowage: Stowage
    let datasetId: string
    let largeKey: string

    const open = (path: string, options?: OpenOptions) => stowage.as(node).datasets.open(datasetId, path, options)

    beforeAll(async () => {
      ;[near, far] = await Promise.all([startMinio(), startMinio()])
      proxy = await startProxy({ target: near.endpoint })
      for (const server of [near, far]) await s3Request(server, { method: 'PUT', path: '/train' })
      const source = (id: string, server: OwnServer, endpoint: string, region: string) =>
        ({
          id,
          type: 'minio',
          endpoint,
          region,
          bucket: 'train',
          accessKey: server.accessKey,
          secretKey: server.secretKey,
        }) as const
      stowage = await createStowage(
        {
          sources: [source('near', near, proxy.endpoint, 'rack-7'), source('far', far, far.endpoint, 'rack-9')],
          routing: { regions: { distances: { 'rack-7': { 'rack-9': 30 } } } },
          policies: [{ id: 'both', on: 'publish', from: 'near', to: 'far' }],
        },
        { background: false },
      )
      const folder = tempDir('reads')
      await writePattern(join(folder, 'large.bin'))
      const writer = stowage.as({ userId: 'bob', userType: 'internal', region: 'rack-7' })
      const data = await writer.datasets.create({ name: 'data' })
      datasetId = data.id
      const { sourceId, draftId } = await data.upload(folder)
      expect(sourceId).toBe('near')
      expect(await stowage.runPolicies()).toMatchObject([{ status: 'success' }])
      largeKey = `datasets/${datasetId}/${draftId}/large.bin`
    }, 300_000)

    afterAll(async () => {
      await stowage?.close()
      await proxy?.stop()
      await near?.stop()
      await far?.stop()
    })

    beforeEach(async () => {
      // What the case before did to the source's health is over.
      for (let i = 0; i < 3; i++) await stowage.sources.probe('near')
    })

    // The last one leaves the near object a wrong one.
    const cases = [
      { name: 'is cut', limit: 1000, action: () => proxy.closeAll() },
      { name: 'is stopped', limit: stallMs, action: () => process.kill(near.pid as number, 'SIGSTOP') },
      { name: 'drips', limit: stallMs * 1.5, action: () => proxy.throttle(8_000) },
      { name: 'is killed', limit: 1000, action: () => near.kill() },
      { name: 'has its object replaced', limit: 1000, action: () => replace() },
    ]

    async function replace(): Promise<void> {
      // MinIO lets nobody write while somebody is in the middle of reading.
      proxy.closeAll()
      const { status } = await s3Request(near, {
        method: 'PUT',
        path: `/train/${largeKey}`,
        body: Buffer.from('other'),
      })
      expect(status).toBe(200)
    }

    it('is byte-identical when an object is damaged on disk', async () => {
      const part = partOnDisk(near, largeKey)
      const bytes = readFileSync(part)
      const at = Math.floor(bytes.length / 2)
      bytes[at] = (bytes[at] ?? 0) ^ 0xff
      writeFileSync(part, bytes)
      const file = await open('large.bin', { stallMs })
      const longest = await readThrough(file, 0, () => undefined)
      console.log(`damaged on disk: at most ${longest} ms without a byte`)
      expect(file.failovers).toMatchObject([{ from: 'near', to: 'far' }])
      bytes[at] = (bytes[at] ?? 0) ^ 0xff
      writeFileSync(part, bytes)
    })

    for (const { name, limit, action } of cases) {
      it(`is byte-identical when the near one ${name}`, async () => {
        const file = await open('large.bin', { stallMs })
        expect(file.decision.candidates[0]?.sourceId).toBe('near')
        const longest = await readThrough(file, large / 4, action)
        console.log(`${name}: at most ${longest} ms without a byte`)
        proxy.clear()
        if (name === 'is stopped') process.kill(near.pid as number, 'SIGCONT')
        if (name === 'is killed') await near.restart()
        expect(file.failovers).toMatchObject([{ from: 'near', to: 'far' }])
        expect(longest).toBeLessThan(limit)
      })
    }
  })
})
