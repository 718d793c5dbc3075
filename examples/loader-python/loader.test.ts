import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import {
  type Proxy as FaultProxy,
  findBinary,
  type OwnServer,
  runs,
  s3Request,
  startMinio,
  startProxy,
  tempDir,
  withMinio,
} from '@stowage/test-support'
import { createStowage, type ManifestAccessOptions, type Stowage } from 'stowage'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

const MIB = 1024 * 1024
const stall = 2
/** Where a source fails outright, its silence must play no part, in seconds. */
const longStall = 120
/** What a busy machine may add to a limit, in seconds: the limits themselves are looked at closely at level full. */
const slack = runs(20, 0)
const smallFiles = 1000
const passes = runs(1, 3)
const large = runs(48, 500) * MIB
const python = findBinary('python3')

interface Told {
  ready?: boolean
  done?: boolean
  reads?: number
  bytes?: number
  failovers?: string[]
  longest?: number
  sha256?: string | null
  failover?: string
  reason?: string
}

/** Runs `train.py`; `meanwhile` is done when it has read a quarter and waits. */
async function train(manifest: string, args: string[], meanwhile?: () => unknown, silence = longStall): Promise<Told> {
  const child = spawn(
    python as string,
    ['train.py', manifest, '--stall', String(silence), ...(meanwhile === undefined ? [] : ['--wait']), ...args],
    {
      cwd: import.meta.dirname,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  return listen(child, meanwhile)
}

async function listen(child: ChildProcess, meanwhile: (() => unknown) | undefined): Promise<Told> {
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  let last: Told = {}
  const exit = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    last = JSON.parse(line) as Told
    if (!last.ready) continue
    await meanwhile?.()
    child.stdin?.write('\n')
  }
  const [code] = await exit
  expect(code, errors).toBe(0)
  expect(last.done).toBe(true)
  return last
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(Math.imul(i + seed, 2654435761) >>> 0, i)
  return bytes
}

/** The file of the server's disk that has the most bytes below a key. */
function onDisk(server: OwnServer, key: string): string {
  const folder = join(server.dataDir as string, 'train', key)
  const parts = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /part\.\d+$/.test(name))
  const part = parts.map((name) => join(folder, name)).sort((a, b) => statSync(b).size - statSync(a).size)[0]
  if (part === undefined) throw new Error(`No part of ${key} on disk.`)
  return part
}

describe.skipIf(python === undefined)('a loader of another language, where sources are mounted', () => {
  it('reads files, and elsewhere what is missing, damaged or cut off in one of them', async () => {
    const roots = { near: tempDir('near'), far: tempDir('far') }
    const folder = tempDir('mounted')
    for (let i = 0; i < 40; i++) writeFileSync(join(folder, `${i}.bin`), pattern(4096, i))
    const bytes = pattern(20 * MIB, 3)
    writeFileSync(join(folder, 'large.bin'), bytes)
    const stowage = await createStowage(
      {
        sources: [
          { id: 'near', type: 'filesystem', root: roots.near, region: 'rack-7' },
          { id: 'far', type: 'filesystem', root: roots.far, region: 'rack-9' },
        ],
        routing: { nodes: { gpu: { region: 'rack-7', mounts: ['near', 'far'] } } },
        policies: [{ id: 'both', on: 'publish', from: 'near', to: 'far' }],
      },
      { background: false },
    )
    onTestFinished(() => stowage.close())
    const { datasets } = stowage.as({ userId: 'bob', userType: 'internal', region: 'rack-7' })
    const data = await datasets.create({ name: 'data' })
    const { sourceId, draftId } = await data.upload(folder)
    expect(sourceId).toBe('near')
    await stowage.runPolicies()
    const path = join(tempDir('manifest'), 'data.jsonl')
    const { stream, alternatives } = await datasets.access(data.id, { mode: 'manifest', node: 'gpu' })
    expect(alternatives.map(({ mountPath }) => mountPath)).toContain(join(roots.near, 'datasets', data.id, '/'))
    await pipeline(stream, createWriteStream(path))

    const largeSha = createHash('sha256').update(bytes).digest('hex')
    const args = ['--ranges', '20', '--large']
    expect(await train(path, args)).toMatchObject({ failovers: [], sha256: largeSha })
    // The same damage in both replicas would be too much: each has its own.
    const fileOf = (root: string, name: string) => join(root, 'datasets', data.id, draftId, name)
    for (const root of Object.values(roots)) {
      const wrong = Buffer.from(bytes)
      wrong.fill(0, root === roots.near ? 0 : 17 * MIB, root === roots.near ? 100 : 17 * MIB + 100)
      writeFileSync(fileOf(root, 'large.bin'), wrong)
      rmSync(fileOf(root, root === roots.near ? '1.bin' : '2.bin'))
      writeFileSync(fileOf(root, root === roots.near ? '3.bin' : '4.bin'), 'cut off')
    }
    const told = await train(path, args)
    expect(told.sha256).toBe(largeSha)
    expect(told.failovers).toContain('not-found')
    expect(told.failovers).toContain('integrity')
    rmSync(fileOf(roots.far, '1.bin'))
    const child = spawn(python as string, ['-B', 'train.py', path], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const errors = await text(child.stderr)
    expect(errors).toContain('ReadError: 1.bin cannot be read. ')
    expect(errors).toContain('near: there is no ')
    expect(errors).toContain('far: there is no ')
  })
})

await withMinio(() => {
  describe.skipIf(python === undefined)('a loader of another language, on two real servers', () => {
    let near: OwnServer
    let far: OwnServer
    let proxy: FaultProxy
    let stowage: Stowage
    let datasetId: string
    let largeKey: string
    let largeSha: string

    beforeAll(async () => {
      ;[near, far] = await Promise.all([startMinio(), startMinio()])
      proxy = await startProxy({ target: near.endpoint })
      for (const server of [near, far]) await s3Request(server, { method: 'PUT', path: '/train' })
      const source = (id: string, { accessKey, secretKey }: OwnServer, endpoint: string, region: string) =>
        ({ id, type: 'minio', endpoint, region, bucket: 'train', accessKey, secretKey }) as const
      stowage = await createStowage(
        {
          sources: [source('near', near, proxy.endpoint, 'rack-7'), source('far', far, far.endpoint, 'rack-9')],
          routing: {
            regions: { distances: { 'rack-7': { 'rack-9': 30 } } },
            nodes: { gpu: { region: 'rack-7' } },
          },
          policies: [{ id: 'both', on: 'publish', from: 'near', to: 'far' }],
        },
        { background: false },
      )
      const folder = tempDir('loader')
      mkdirSync(join(folder, 'small'))
      for (let i = 0; i < smallFiles; i++) {
        writeFileSync(
          join(folder, 'small', `${String(i).padStart(4, '0')} ä+%.bin`),
          pattern(i % 50 === 0 ? 0 : 4096, i),
        )
      }
      const bytes = pattern(large + 12_344, 7)
      largeSha = createHash('sha256').update(bytes).digest('hex')
      writeFileSync(join(folder, 'large.bin'), bytes)
      const data = await stowage
        .as({ userId: 'bob', userType: 'internal', region: 'rack-7' })
        .datasets.create({ name: 'data' })
      datasetId = data.id
      const { sourceId, draftId } = await data.upload(folder)
      expect(sourceId).toBe('near')
      expect(await stowage.runPolicies()).toMatchObject([{ status: 'success' }])
      largeKey = `datasets/${datasetId}/${draftId}/large.bin`
    }, 900_000)

    afterAll(async () => {
      await stowage?.close()
      await proxy?.stop()
      await near?.stop()
      await far?.stop()
    })

    beforeEach(async () => {
      for (let i = 0; i < 3; i++) await stowage.sources.probe('near')
    })

    async function manifest(options: Partial<ManifestAccessOptions> = {}): Promise<string> {
      const { datasets } = stowage.as({ workspaceId: 'w7' })
      const access = await datasets.access(datasetId, { node: 'gpu', ...options, mode: 'manifest' })
      expect(access.alternatives.map(({ sourceId }) => sourceId)).toEqual(['near', 'far'])
      const path = join(tempDir('manifest'), 'data.jsonl')
      await pipeline(access.stream, createWriteStream(path))
      return path
    }

    const small = ['--passes', String(passes), '--pace', '0.001']
    const ranges = ['--passes', '0', '--ranges', '40', '--large']

    it('reads everything, and from the near one when nothing is wrong', async () => {
      const told = await train(await manifest(), [...small, '--ranges', '40', '--large'])
      expect(told).toMatchObject({ failovers: [], sha256: largeSha })
      expect(told.reads).toBeGreaterThan(passes * smallFiles + 40)
    })

    const cases = [
      { name: 'is cut', silence: longStall, limit: 1, break: () => cut(), mend: () => undefined },
      {
        name: 'is stopped',
        silence: stall,
        limit: stall,
        break: () => signal('SIGSTOP'),
        mend: () => signal('SIGCONT'),
      },
      { name: 'drips', silence: stall, limit: stall * 1.5, break: () => proxy.throttle(8_000), mend: () => undefined },
      { name: 'is killed', silence: longStall, limit: 1, break: () => near.kill(), mend: () => near.restart() },
    ]

    function cut(): void {
      proxy.refuse(true)
      proxy.closeAll()
    }

    function signal(name: NodeJS.Signals): void {
      process.kill(near.pid as number, name)
    }

    for (const { name, silence, limit, break: act, mend } of cases) {
      it(`none of its reads fails when the near one ${name}`, async () => {
        const path = await manifest()
        for (const [what, args] of [
          ['small', small],
          ['large', ranges],
        ] as const) {
          const told = await train(path, [...args], act, silence)
          proxy.clear()
          await mend()
          console.log(
            `${name}, ${what}: ${told.reads} reads, at most ${told.longest} s without a byte, ${told.failovers?.length} failovers`,
          )
          // A small file that drips comes in time; after some of them the others are read elsewhere.
          if (what === 'large' || name !== 'drips') expect(told.failovers?.length).toBeGreaterThan(0)
          expect(told.longest).toBeLessThan(limit + slack)
          if (what === 'large') expect(told.sha256).toBe(largeSha)
          else expect(told.reads).toBe(passes * smallFiles)
        }
      })
    }

    it('reads a damaged block, and a replaced object, elsewhere', async () => {
      const path = await manifest()
      const part = onDisk(near, largeKey)
      const bytes = readFileSync(part)
      const at = Math.floor(bytes.length / 2)
      bytes[at] = (bytes[at] ?? 0) ^ 0xff
      writeFileSync(part, bytes)
      const damaged = await train(path, ranges)
      expect(damaged.sha256).toBe(largeSha)
      expect(damaged.failovers?.length).toBeGreaterThan(0)
      console.log(`damaged on disk: at most ${damaged.longest} s without a byte`)

      const replace = async (body: Buffer) => {
        const { status } = await s3Request(near, { method: 'PUT', path: `/train/${largeKey}`, body })
        expect(status).toBe(200)
      }
      // In the middle of a read, then by bytes of the same length, found only by their digest, and by fewer.
      writeFileSync(part, bytes.fill((bytes[at] ?? 0) ^ 0xff, at, at + 1))
      const replaced = await train(path, ['--passes', '0', '--large'], () => replace(pattern(large + 12_344, 8)))
      expect(replaced.failovers).toEqual(['replaced'])
      console.log(`replaced in the middle: at most ${replaced.longest} s without a byte`)
      const other = await train(path, ranges)
      expect(other.failovers).toEqual(['integrity'])
      await replace(Buffer.from('other'))
      const shorter = await train(path, ranges)
      expect(shorter.failovers).toEqual(['integrity'])
      for (const { sha256 } of [replaced, other, shorter]) expect(sha256).toBe(largeSha)
      expect((await s3Request(near, { method: 'DELETE', path: `/train/${largeKey}` })).status).toBe(204)
      expect(new Set((await train(path, ranges)).failovers)).toEqual(new Set(['not-found']))
    })

    it('asks for a new document when the URLs have ended', async () => {
      const old = await manifest({ expiresIn: 1 })
      const told = await train(old, ['--renewed', await manifest()])
      expect(told.reads).toBe(smallFiles)
      expect(told.failovers).toEqual([])
    })

    it('refuses a document that is not whole, or of a newer format', async () => {
      const path = await manifest()
      const whole = readFileSync(path, 'utf8')
      const broken = [
        whole.slice(0, -30),
        whole.replace('"format":1', '"format":2'),
        whole.replace('stowage-access', 'x'),
        '',
      ]
      for (const [i, wrong] of broken.entries()) {
        writeFileSync(path, wrong)
        const child = spawn(python as string, ['-B', 'train.py', path], { cwd: import.meta.dirname, stdio: 'ignore' })
        const [code] = await once(child, 'close')
        expect(code, String(i)).not.toBe(0)
      }
    })
  })
})
