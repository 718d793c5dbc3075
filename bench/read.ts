import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { minio } from '@stowage/adapters/minio'
import { type FreshBucket, freshBucket, startMinio, type TestServer } from '@stowage/test-support'
import { createStowage, type Stowage } from 'stowage'
import { median } from './large-file.ts'
import { startLines } from './sync-lines.ts'

const MIB = 1024 * 1024
const BLOCK = 8 * MIB
const SIZE = 256 * MIB
const ROUNDS = 5
/** What the line adds each way, in milliseconds. */
const LINE = 5
/** What a reader that works does with each 8 MiB, in milliseconds. */
const STEP = 10

const say = (line: string): void => void process.stdout.write(`${line}\n`)

interface Figure {
  seconds: number
  /** Of this process, in seconds. */
  cpu: number
}

type Way = () => Promise<AsyncIterable<Uint8Array>>

/**
 * One stream of a file of 256 MiB from a MinIO, directly and over a line that adds 5 ms each way: a bare ranged GET, and a dataset's read,
 * whose blocks are checked, with and without reading ahead; for a reader that takes the bytes as they come, and for one that works on each
 * 8 MiB for 10 ms. Then reads of 100 KiB from within, and a hundred streams at once.
 */
export async function benchRead(): Promise<void> {
  await using server = await startMinio()
  const bucket = await freshBucket(server)
  await using lines = await startLines([server], LINE)
  const home = await mkdtemp(join(tmpdir(), 'stowage-bench-'))
  const catalog = { type: 'sqlite', path: join(home, 'catalog.db') } as const
  const open = (at: TestServer): Promise<Stowage> =>
    createStowage(
      { catalog, sources: [{ id: 'minio', type: 'minio', isPublic: true, ...optionsOf(at, bucket) }] },
      { background: false },
    )
  say(`  load ${loadavg()[0]?.toFixed(1)}, ${ROUNDS} rounds, medians`)
  try {
    const direct = await open(server)
    const { datasetId, key } = await publish(direct)
    await streams('directly', server, bucket, key, direct, datasetId)
    await within(direct, datasetId)
    await many(direct, datasetId)
    await direct.close()
    const far = lines.servers[0] as TestServer
    const distant = await open(far)
    await streams(`line of ${LINE} ms each way`, far, bucket, key, distant, datasetId)
    await distant.close()
  } finally {
    await bucket.remove()
    await rm(home, { recursive: true, force: true })
  }
}

function optionsOf({ endpoint, accessKey, secretKey, region }: TestServer, bucket: FreshBucket) {
  return { endpoint, accessKey, secretKey, region, bucket: bucket.name }
}

async function publish(stowage: Stowage): Promise<{ datasetId: string; key: string }> {
  const dataset = await stowage.as({ userId: 'bench', userType: 'external' }).datasets.create({ name: 'bench' })
  const { draft } = await dataset.draft()
  async function* bytes(): AsyncGenerator<Uint8Array> {
    const piece = Buffer.alloc(MIB, 'stowage ')
    for (let at = 0; at < SIZE; at += MIB) {
      piece.writeUInt32BE(at / MIB)
      yield Buffer.from(piece)
    }
  }
  const { key } = await draft.put('large.bin', bytes())
  const path = draft.draft.path
  await dataset.publish(draft)
  return { datasetId: dataset.id, key: path + key }
}

async function drain(bytes: AsyncIterable<Uint8Array>, stepMs: number): Promise<void> {
  let at = 0
  let steps = 0
  for await (const { length } of bytes) {
    at += length
    for (; stepMs > 0 && steps < Math.floor(at / BLOCK); steps++) await sleep(stepMs)
  }
  if (at !== SIZE) throw new Error(`${at} bytes came.`)
}

async function measure(way: Way, stepMs: number): Promise<Figure> {
  const began = performance.now()
  const before = process.cpuUsage()
  await drain(await way(), stepMs)
  const { user, system } = process.cpuUsage(before)
  return { seconds: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 }
}

async function streams(
  place: string,
  at: TestServer,
  bucket: FreshBucket,
  key: string,
  stowage: Stowage,
  datasetId: string,
): Promise<void> {
  const adapter = minio({ id: 'bare', ...optionsOf(at, bucket) })
  const { datasets } = stowage.as({ userId: 'bench', userType: 'external' })
  const read = (readAhead: number) => async () => (await datasets.open(datasetId, 'large.bin', { readAhead })).stream
  const ways: Record<string, Way> = {
    'bare GET': async () => (await adapter.get(key, { range: { start: 0, length: SIZE } })).body,
    'no read-ahead': read(0),
    '1 block ahead': read(1),
    '4 blocks ahead': read(4),
  }
  for (const stepMs of [0, STEP]) {
    const figures = new Map<string, Figure[]>()
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, way] of Object.entries(ways)) {
        const figure = await measure(way, stepMs)
        if (round >= 0) figures.set(name, [...(figures.get(name) ?? []), figure])
      }
    }
    say(`  ${place}, ${stepMs === 0 ? 'read as it comes' : `${stepMs} ms of work for each 8 MiB`}`)
    const bare = median((figures.get('bare GET') ?? []).map(({ seconds }) => seconds))
    for (const [name, of] of figures) {
      const seconds = median(of.map((one) => one.seconds))
      const cpu = median(of.map((one) => one.cpu)) * (1024 / (SIZE / MIB))
      const speed = (SIZE / MIB / seconds).toFixed(0).padStart(6)
      say(`    ${name.padEnd(16)}${speed} MiB/s  x${(bare / seconds).toFixed(2)}  ${cpu.toFixed(2)} s of CPU a GiB`)
    }
  }
  await adapter.close()
}

/** Records of 100 KiB from within: anywhere, and one after the other. */
async function within(stowage: Stowage, datasetId: string): Promise<void> {
  const { datasets } = stowage.as({ userId: 'bench', userType: 'external' })
  const file = await datasets.open(datasetId, 'large.bin')
  const record = 100 * 1024
  const reads = 200
  const courses: Record<string, (i: number) => number> = {
    anywhere: (i) => (i * 48_271 * record) % (SIZE - record),
    'in order': (i) => i * record,
  }
  for (const [name, offset] of Object.entries(courses)) {
    const times: number[] = []
    for (let i = 0; i < reads; i++) {
      const began = performance.now()
      const { length } = await file.read(offset(i), record)
      if (length !== record) throw new Error(`${length} bytes came.`)
      times.push(performance.now() - began)
    }
    const mean = times.reduce((sum, ms) => sum + ms, 0) / reads
    say(`  ${reads} reads of 100 KiB ${name}: median ${median(times).toFixed(2)} ms, mean ${mean.toFixed(2)} ms`)
  }
}

/** A hundred streams at once, each read a block at a time with the others. */
async function many(stowage: Stowage, datasetId: string): Promise<void> {
  const { datasets } = stowage.as({ userId: 'bench', userType: 'external' })
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 20)
  const began = performance.now()
  const one = async (): Promise<void> => {
    const file = await datasets.open(datasetId, 'large.bin', { range: { start: 0, length: 4 * BLOCK } })
    for await (const _ of file.stream) await sleep(1)
  }
  const before = process.memoryUsage.rss()
  await Promise.all(Array.from({ length: 100 }, one))
  clearInterval(timer)
  const seconds = (performance.now() - began) / 1000
  const speed = (100 * 4 * BLOCK) / MIB / seconds
  const rss = (bytes: number): string => (bytes / MIB).toFixed(0)
  say(`  100 streams of 32 MiB at once: ${speed.toFixed(0)} MiB/s, resident ${rss(before)} to ${rss(peak)} MiB`)
}
