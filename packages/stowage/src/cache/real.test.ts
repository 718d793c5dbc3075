import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { minio } from '@stowage/adapters/minio'
import {
  type CliProcess,
  type CliRun,
  freshBucket,
  runs,
  startMinio,
  startProgram,
  type TestServer,
  tempDir,
  testSeed,
  withMinio,
} from '@stowage/test-support'
import { expect, it, vi } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { SourceConfig, StowageConfig } from '../config/index.ts'
import { contentsOf } from './testing.ts'

const seconds = runs(8, 120)
const patience = { timeout: 120_000, interval: 50 }

/** What a file holds follows from its name, so that every process can tell whether it read it right. */
const contentOf = `(name) => Buffer.alloc(20000, require('node:crypto').createHash('sha256').update(name).digest())`

const begin = `
  const require = process.getBuiltinModule('node:module').createRequire(process.cwd() + '/')
  const [config, ids, seed, seconds] = args.map((text) => JSON.parse(text))
  const contentOf = ${contentOf}
  const app = await stowage.createStowage(config, { background: false })
  let state = seed
  const pick = (n) => ((state = Math.imul(state, 1103515245) + 12345 >>> 0) >>> 8) % n
  const end = Date.now() + seconds * 1000
  const count = {}
  const add = (what, n = 1) => { count[what] = (count[what] ?? 0) + n }
  const passing = ['lease-held', 'lease-lost', 'conflict', 'unsafe', 'no-space', 'unavailable', 'timeout', 'not-found']
  console.log('ready')
`
const finish = `
  await app.close()
  console.log(JSON.stringify(count))
`

/** Reads whole files of random versions, and has some brought near before. A read that fails, or gives other bytes, ends it. */
const reader = `${begin}
  const { datasets } = app.as({ userId: 'node', region: 'sz' })
  // However slow the machine is, some are read.
  while (Date.now() < end || (count.reads ?? 0) < 50) {
    const [id, version] = [ids[pick(ids.length)], 1 + pick(3)]
    if (pick(3) === 0) {
      try {
        const { wasThere, status } = await datasets.ensureReplica(id, { version, deadlineMs: 3000 })
        add(wasThere ? 'near' : status === 'ready' ? 'brought' : 'pending')
      } catch (error) {
        if (!passing.includes(error.code)) throw error
        add(error.code)
      }
    }
    for await (const { path } of datasets.files(id, { version })) {
      const file = await datasets.open(id, path, { version })
      const chunks = []
      for await (const chunk of file.stream) chunks.push(chunk)
      // Files of version 1 that a later one did not replace are the same.
      const names = [3, 2, 1].map((v) => contentOf(id + v + path))
      const bytes = Buffer.concat(chunks)
      if (!names.some((right) => right.equals(bytes))) throw new Error('wrong bytes of ' + path + '@' + version)
      add('reads')
      add('failovers', file.failovers.length)
    }
  }
${finish}`

const evictor = `${begin}
  while (Date.now() < end) {
    const { caches, removals } = await app.evict({ now: true })
    add('marked', caches[0].marked.length)
    add('removed', removals.removed.length)
    for (const { error } of removals.failed) {
      if (!passing.includes(error.code)) throw error
      add(error.code)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
${finish}`

const scrubber = `${begin}
  while (Date.now() < end) {
    const id = ids[pick(ids.length)]
    const { findings } = await app.verifyDataset(id, { repair: true }).catch((error) => {
      if (!passing.includes(error.code)) throw error
      add(error.code)
      return { findings: [] }
    })
    // Nothing rots here: whatever it finds, it found because something was taken away under it.
    for (const finding of findings) if (finding.kind !== 'unread') throw new Error(JSON.stringify(finding))
    add('scrubs')
  }
${finish}`

function sourceOf(id: string, server: TestServer, bucket: string, more: Partial<SourceConfig>): SourceConfig {
  const { endpoint, accessKey, secretKey } = server
  return { id, type: 'minio', endpoint, bucket, accessKey, secretKey, ...more }
}

async function countsOf(name: string, process: CliProcess): Promise<Record<string, number>> {
  const { code, stdout, stderr }: CliRun = await process.done
  expect(code, `${name}: ${stderr}\n${stdout}`).toBe(0)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, number>
}

await withMinio((far) => {
  it(
    'three processes read, evict and scrub at once: no read fails, nothing is missing, and the cache holds what it should',
    async () => {
      await using here = await startMinio()
      await using originBucket = await freshBucket(far)
      await using nearBucket = await freshBucket(here)
      const cwd = tempDir('cache')
      const config: StowageConfig = {
        sources: [
          sourceOf('origin', far, originBucket.name, { region: 'hz', isPublic: true }),
          sourceOf('near', here, nearBucket.name, {
            region: 'sz',
            cache: { capacity: 1_000_000, highWater: '50%', lowWater: '10%', graceMs: 100 },
          }),
        ],
        catalog: { type: 'sqlite', path: join(cwd, 'catalog.db') },
      }
      const stowage = await createStowage(config, { background: false })
      const ids: string[] = []
      for (const name of ['cats', 'dogs', 'owls']) {
        const handle = await stowage.as({ userId: 'ada', userType: 'external' }).datasets.create({ name })
        for (const version of [1, 2, 3]) {
          const { draft } = await handle.draft()
          // Each version replaces a third of the files, and adds one.
          for (const path of version === 1
            ? ['a', 'b', 'c', 'd', 'e', 'f']
            : [`${version}`, 'a', version === 2 ? 'b' : 'c']) {
            const digest = createHash('sha256').update(`${handle.id}${version}${path}`).digest()
            await draft.put(path, Buffer.alloc(20_000, digest))
          }
          await handle.publish(draft)
        }
        ids.push(handle.id)
        // All of it is near at first, so that there is something to evict however slow the machine is.
        for (const version of [1, 2, 3]) await stowage.replicate(handle.id, version, 'near')
      }
      const run = (body: string, n: number, time = seconds): CliProcess => {
        const args = [config, ids, testSeed() + n, time].map((value) => JSON.stringify(value))
        return startProgram(body, args, { cwd })
      }
      const reading = run(reader, 1)
      const scrubbing = run(scrubber, 2)
      // Evictors die in the middle of what they do, and others go on.
      const deaths = runs(2, 20)
      for (let i = 0; i < deaths; i++) {
        const doomed = run(evictor, 10 + i, 1000)
        await doomed.line(0)
        await new Promise((resolve) => setTimeout(resolve, (300 * seconds) / deaths))
        await doomed.kill()
      }
      const evicting = run(evictor, 3, seconds / 2)
      const [read, scrubbed, evicted] = [
        await countsOf('reader', reading),
        await countsOf('scrubber', scrubbing),
        await countsOf('evictor', evicting),
      ]
      console.log(
        `read ${JSON.stringify(read)}; scrubbed ${JSON.stringify(scrubbed)}; evicted ${JSON.stringify(evicted)}`,
      )
      expect(read.reads).toBeGreaterThan(10)
      // What evictors left that were killed is taken up at once, since they are known to be dead.
      await vi.waitFor(async () => {
        await stowage.evict({ now: true })
        const [now] = (await stowage.cacheStatus()).caches
        expect(now?.leaving, 'bytes that are still on their way out').toBe(0)
        expect(now?.bytes, 'bytes that were near at the beginning').toBeLessThan(720_000)
      }, patience)
      for (const id of ids) expect(await stowage.verifyDataset(id)).toMatchObject({ clean: true })
      const { endpoint, accessKey, secretKey } = here
      const store = minio({ id: 'near', endpoint, accessKey, secretKey, bucket: nearBucket.name })
      const [cache] = (await stowage.cacheStatus()).caches
      // A copy that was begun counts whole from its beginning, so no more lies there than is counted.
      expect((await contentsOf(store)).bytes).toBeLessThanOrEqual(cache?.bytes ?? 0)
      await store.close()
      await stowage.close()
    },
    (seconds + 400) * 1000,
  )
})
