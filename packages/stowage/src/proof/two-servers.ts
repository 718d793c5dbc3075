import { once } from 'node:events'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { openCatalog } from '@stowage/catalog'
import { type OwnServer, s3Request, startMinio, startProgram, startProxy, tempDir } from '@stowage/test-support'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import type { StowageConfigInput } from '../config/index.ts'
import { healthKey } from '../health/stored-health.ts'

const MIB = 1024 * 1024

/** A compute node that is next to the near server. */
export const node = { workspaceId: 'w7', region: 'rack-7' }

/** Two real servers with one dataset on both, the near one behind a line that can be cut. */
export interface TwoServers {
  near: OwnServer
  far: OwnServer
  proxy: Awaited<ReturnType<typeof startProxy>>
  /** What is known of the servers' health begins anew with {@link reopen}. */
  stowage: Stowage
  reopen(): Promise<void>
  /** What another program opens the same catalog with. */
  config: StowageConfigInput
  datasetId: string
  draftId: string
  close(): Promise<void>
}

/** The bytes of a file from `at`, without keeping it. Each file has its own. */
export function pattern(at: number, length: number, seed = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(Math.imul(at + i + seed, 2654435761) >>> 0, i)
  for (let i = length - (length % 4); i < length; i++) bytes[i] = (at + i + seed) & 255
  return bytes
}

/** Fills a folder: one large file, and small ones of 1 to 32 KiB. */
async function fill(folder: string, large: number, small: number): Promise<void> {
  const out = createWriteStream(join(folder, 'large.bin'))
  for (let at = 0; at < large; at += MIB) if (!out.write(pattern(at, MIB))) await once(out, 'drain')
  out.end()
  await finished(out)
  mkdirSync(join(folder, 'small'))
  for (let i = 0; i < small; i++) writeFileSync(join(folder, smallName(i)), smallFile(i))
}

export function smallName(i: number): string {
  return `small/${String(i).padStart(5, '0')}.bin`
}

/** What is in the small file of this number. */
export function smallFile(i: number): Buffer {
  return pattern(0, 1024 * (1 + (i % 32)), (i + 1) * 7919)
}

/** @param large bytes of the large file, whole MiB @param small how many small files */
export async function startTwoServers(large: number, small: number): Promise<TwoServers> {
  const [near, far] = await Promise.all([startMinio(), startMinio()])
  const proxy = await startProxy({ target: near.endpoint })
  for (const server of [near, far]) await s3Request(server, { method: 'PUT', path: '/train' })
  const source = (id: string, server: OwnServer, endpoint: string, region: string) => {
    const { accessKey, secretKey } = server
    return { id, type: 'minio', endpoint, region, bucket: 'train', accessKey, secretKey } as const
  }
  const config = {
    catalog: { type: 'sqlite', path: join(tempDir('two-servers'), 'catalog.db') },
    sources: [source('near', near, proxy.endpoint, 'rack-7'), source('far', far, far.endpoint, 'rack-9')],
    routing: { regions: { distances: { 'rack-7': { 'rack-9': 30 } } } },
    policies: [{ id: 'both', on: 'publish', from: 'near', to: 'far' }],
  } satisfies StowageConfigInput
  const open = () => createStowage(config, { background: false })
  const stowage = await open()
  const folder = tempDir('two-servers-data')
  await fill(folder, large, small)
  const writer = stowage.as({ userId: 'bob', userType: 'internal', region: 'rack-7' })
  const data = await writer.datasets.create({ name: 'data' })
  const { sourceId, draftId } = await data.upload(folder)
  if (sourceId !== 'near') throw new Error(`The upload went to ${sourceId}.`)
  const [run] = await stowage.runPolicies()
  if (run?.status !== 'success') throw new Error(`The copy ended as ${run?.status}.`)
  const two: TwoServers = {
    near,
    far,
    proxy,
    stowage,
    config,
    datasetId: data.id,
    draftId,
    async reopen() {
      await two.stowage.close()
      // It outlives a process.
      const catalog = await openCatalog(config.catalog)
      await catalog.sync.delete(healthKey)
      await catalog.close()
      two.stowage = await open()
    },
    async close() {
      await two.stowage.close()
      await proxy.stop()
      await near.stop()
      await far.stop()
    },
  }
  return two
}

/** Opens the catalog in a process of its own, reads files, and prints what it saw. */
const reader = `
  const { createHash } = await import('node:crypto')
  const { config, node, datasetId, paths, stallMs } = JSON.parse(args[0])
  const app = await stowage.createStowage(config, { background: false })
  const seen = []
  for (const path of paths) {
    let last = performance.now()
    let longest = 0
    const hash = createHash('sha256')
    const file = await app.as(node).datasets.open(datasetId, path, { stallMs })
    for await (const chunk of file.stream) {
      longest = Math.max(longest, performance.now() - last)
      hash.update(chunk)
      last = performance.now()
    }
    const failovers = file.failovers.map(({ from, to, code }) => ({ from, to, code }))
    seen.push({ path, sha256: hash.digest('hex'), longest: Math.round(longest), failovers })
  }
  await app.close()
  console.log(JSON.stringify(seen))
`

/** What another program saw of one file. */
export interface SeenElsewhere {
  path: string
  sha256: string
  /** Milliseconds without a byte, from the moment the file was to be opened on. */
  longest: number
  failovers: { from: string; to: string; code: string }[]
}

/** Reads files in a process that has seen no traffic before. */
export async function readElsewhere(
  { config, datasetId }: Pick<TwoServers, 'config' | 'datasetId'>,
  paths: readonly string[],
  stallMs: number,
): Promise<SeenElsewhere[]> {
  const argument = JSON.stringify({ config, node, datasetId, paths, stallMs })
  const { code, stdout, stderr } = await startProgram(reader, [argument], { cwd: import.meta.dirname }).done
  if (code !== 0) throw new Error(`The reader ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}
