import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { median } from './large-file.ts'
import type { WireCost, WireJob } from './wire-worker.ts'

const ROUNDS = 5
const OPERATIONS = 1000
const KIB4 = 4096
const GIB = 1024 ** 3
const KEYS = 100_000

const small = [
  'stowage',
  'aws-sdk',
  'aws-sdk (as it comes)',
  'minio',
  'stowage (oss)',
  'ali-oss',
  'undici',
  'stowage (sdk path)',
]
const large = ['stowage', 'aws-sdk']
const copying = [...large, 'undici']

/**
 * The CPU time of clients against an empty store in a process of its own, each client in its own process too, all on one core and in turn;
 * medians of the rounds.
 */
export async function benchWire(): Promise<void> {
  const server = start(1, 'wire-server.ts')
  try {
    const [port] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    const endpoint = `http://127.0.0.1:${String(port).trim()}`
    say(
      `  clients on ${hasTaskset() ? 'one core' : 'any core (there is no taskset)'}, equal checksums; "as it comes" is the SDK's default`,
    )
    for (const does of ['put', 'get'] as const) {
      const job: WireJob = { does, count: OPERATIONS, concurrency: 8, size: KIB4 }
      const costs = await compare(endpoint, small, job, ROUNDS, 2)
      for (const [name, cost] of costs)
        say(`  ${does} 4 KiB  ${name.padEnd(22)} ${(cost.cpu / OPERATIONS).toFixed(0).padStart(6)} us`)
      const cpu = (name: string): number => costs.get(name)?.cpu ?? Number.NaN
      const share = (cpu('stowage') - cpu('undici')) / (cpu('aws-sdk') - cpu('undici'))
      say(`  ${does} 4 KiB  (stowage - undici) / (aws-sdk - undici) = ${share.toFixed(2)} (aim: 0.25 or less)`)
    }
    const list = await compare(endpoint, large, { does: 'list', count: 1, concurrency: 1, size: KEYS }, 5, 1)
    tellRatio(
      list,
      'list 100,000 keys',
      (ours, theirs) => `aws-sdk / stowage = ${(theirs / ours).toFixed(1)} (aim: 3 or more)`,
    )
    for (const size of [GIB / 4, GIB]) {
      const copy = await compare(endpoint, copying, { does: 'copy', count: 1, concurrency: 1, size }, 3, 0)
      const what = `copy ${size / 1024 ** 2} MiB`
      tellRatio(copy, what, (ours, theirs) => `stowage / aws-sdk = ${(ours / theirs).toFixed(2)} (aim: 0.7 or less)`)
      for (const [name, { peak }] of copy)
        say(`  ${what}  ${name.padEnd(10)} peak ${peak.toFixed(0)} MiB resident (aim: below 200)`)
    }
  } finally {
    server.kill()
  }
}

/** Lets each client do the job, in turn, so many times. */
async function compare(
  endpoint: string,
  names: readonly string[],
  job: WireJob,
  rounds: number,
  warmUps: number,
): Promise<Map<string, WireCost>> {
  const workers = names.map((name) => {
    const child = start(0, 'wire-worker.ts', name, endpoint)
    const failed = once(child, 'exit').then(() => Promise.reject(new Error(`the client ${name} ended`)))
    // Looked at only while a job is under way.
    failed.catch(() => {})
    return { name, child, failed, costs: [] as WireCost[] }
  })
  try {
    for (let round = -warmUps; round < rounds; round++) {
      for (const { child, costs, failed } of workers) {
        child.send(job)
        const [cost] = (await Promise.race([once(child, 'message'), failed])) as [WireCost]
        if (round >= 0) costs.push(cost)
      }
    }
    return new Map(
      workers.map(({ name, costs }) => [
        name,
        { cpu: median(costs.map(({ cpu }) => cpu)), peak: Math.max(...costs.map(({ peak }) => peak)) },
      ]),
    )
  } finally {
    for (const { child } of workers) child.kill()
  }
}

function tellRatio(costs: Map<string, WireCost>, what: string, ratio: (ours: number, theirs: number) => string): void {
  for (const [name, { cpu }] of costs) say(`  ${what}  ${name.padEnd(10)} ${(cpu / 1000).toFixed(0)} ms`)
  say(`  ${what}  ${ratio(costs.get('stowage')?.cpu ?? Number.NaN, costs.get('aws-sdk')?.cpu ?? Number.NaN)}`)
}

/** A program of this folder, on this core where that can be said. */
function start(core: number, file: string, ...args: string[]): ChildProcess {
  // The sources: a build may be older than they are.
  const own = ['--conditions=stowage-source', join(import.meta.dirname, file), ...args]
  const [command, all] = hasTaskset()
    ? ['taskset', ['-c', String(core), process.execPath, ...own]]
    : [process.execPath, own]
  return spawn(command, all, { stdio: ['ignore', file === 'wire-server.ts' ? 'pipe' : 'inherit', 'inherit', 'ipc'] })
}

let taskset: boolean | undefined

function hasTaskset(): boolean {
  try {
    taskset ??= execFileSync('taskset', ['-c', '0,1', 'true']).length === 0
  } catch {
    taskset = false
  }
  return taskset
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
