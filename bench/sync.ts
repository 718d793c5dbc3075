import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshBucket, type OwnServer, startMinio } from '@stowage/test-support'
import { median } from './large-file.ts'
import { type Cost, costOf } from './sync-cost.ts'
import { startLines } from './sync-lines.ts'
import { findPeer, versionOf } from './sync-peers.ts'
import { countBucket, fillBucket, fillFolder, type Shape, shapes, sizeOf } from './sync-shapes.ts'
import { type Course, forget, tools } from './sync-tools.ts'

const usage = 'npm run bench -- sync [--against rclone,s5cmd,mc,juicefs] [--only SHAPE,…] [--rounds N] [--quick]'

/** What a tool took of a shape, over the rounds. */
interface Score {
  tool: string
  costs: Cost[]
  requests: number
}

/**
 * Races the command line against the same work of other tools, on two MinIO servers: directly, and with a line between that adds 50 ms to
 * each round trip. Tools take turns; medians of the rounds. Requests are counted in a run of their own, which is not timed.
 */
export async function benchSync(): Promise<void> {
  const { against, only, rounds, quick } = wishes()
  // What is raced is what is published, as the sources are now.
  execFileSync(process.execPath, [join(import.meta.dirname, '../scripts/build.ts')])
  const binaries = new Map([['stowage', join(import.meta.dirname, '../packages/stowage/bin/stowage.js')]])
  for (const name of against) {
    try {
      const binary = await findPeer(name)
      binaries.set(name, binary)
      say(`  ${name}: ${await versionOf(binary, name)}`)
    } catch (error) {
      say(`  ${name} IS NOT THERE: ${(error as Error).message.slice(0, 500)}`)
    }
  }
  say(`  ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}, ${rounds} rounds`)
  const home = await mkdtemp(join(tmpdir(), 'stowage-race-'))
  await using source = await startMinio()
  await using target = await startMinio()
  try {
    for (const shape of shapes(quick)) {
      if (only.length > 0 && !only.includes(shape.name)) continue
      await race({ shape, binaries, rounds, source, target, home })
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

interface Race {
  shape: Shape
  binaries: ReadonlyMap<string, string>
  rounds: number
  source: OwnServer
  target: OwnServer
  home: string
}

async function race({ shape, binaries, rounds, source, target, home }: Race): Promise<void> {
  await using bucket = await freshBucket(source, 'race')
  const folder = join(home, 'folder')
  if (shape.isFolder) await fillFolder(folder, shape)
  else await fillBucket(source, bucket.name, shape)
  await using lines = await startLines([source, target], (shape.far ?? 0) / 2)
  const field = [...binaries].filter(([tool]) => tool !== 's5cmd' || shape.isFolder)
  const scores = new Map<string, Score>(field.map(([tool]) => [tool, { tool, costs: [], requests: 0 }]))
  const filled = shape.isThere ? await freshBucket(target, 'race') : undefined
  // A run before the first counts requests, and where nothing is to be done brings that about.
  for (let round = filled === undefined ? 0 : -1; round <= rounds; round++) {
    for (const [tool, binary] of field) {
      const into = filled ?? (await freshBucket(target, 'race'))
      const own = join(home, tool)
      await mkdir(own, { recursive: true })
      if (filled === undefined) await forget(own)
      const isCounted = round === 0
      const [from, to] = shape.far !== undefined || isCounted ? lines.servers : [source, target]
      if (from === undefined || to === undefined) throw new Error('there are two lines')
      const course: Course = {
        from: shape.isFolder ? { folder } : { server: from, bucket: bucket.name },
        to: { server: to, bucket: into.name },
        home: own,
      }
      const make = tools[tool]
      if (make === undefined) throw new Error(`it is not known how ${tool} is told what to do`)
      await lines.takeCount()
      const cost = await costOf(await make(course, binary), [source.pid ?? 0, target.pid ?? 0])
      const score = scores.get(tool)
      if (isCounted && score !== undefined) score.requests = await lines.takeCount()
      if (round > 0) score?.costs.push(cost)
      const found = await countBucket(target, into.name)
      const wanted = sizeOf(shape)
      if (found.objects !== wanted.objects || found.bytes !== wanted.bytes)
        say(`  ${tool} LEFT ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`)
      if (filled === undefined) await into.remove()
    }
  }
  await filled?.remove()
  tell(shape, [...scores.values()])
}

function tell(shape: Shape, scores: readonly Score[]): void {
  const { objects } = sizeOf(shape)
  say(`\n  ${shape.title}`)
  say('             wall s  client s  servers s  peak MiB  requests an object')
  const of = ({ costs }: Score, field: keyof Cost): number => median(costs.map((cost) => cost[field]))
  for (const score of scores) {
    const { tool, requests, costs } = score
    const peak = Math.max(...costs.map((cost) => cost.peak))
    say(
      [
        `  ${tool.padEnd(9)}`,
        of(score, 'wall').toFixed(2).padStart(8),
        of(score, 'cpu').toFixed(2).padStart(9),
        of(score, 'servers').toFixed(2).padStart(10),
        peak.toFixed(0).padStart(9),
        (requests / objects).toFixed(objects === 1 ? 0 : 3).padStart(10),
        `  (${costs.map(({ wall }) => wall.toFixed(2)).join(' ')})`,
      ].join(' '),
    )
  }
  const [own, ...others] = scores
  if (own === undefined || others.length === 0) return
  const ratio = (field: keyof Cost): string =>
    others.map((other) => `${other.tool} ${(of(own, field) / of(other, field)).toFixed(2)}`).join(', ')
  say(`  stowage / them: wall ${ratio('wall')}; client CPU ${ratio('cpu')}; load ${loadavg()[0]?.toFixed(1)}`)
}

function wishes(): { against: string[]; only: string[]; rounds: number; quick: boolean } {
  const words = process.argv.slice(2)
  const value = (name: string): string | undefined => {
    const at = words.findIndex((word) => word === name || word.startsWith(`${name}=`))
    return at < 0 ? undefined : (words[at]?.split('=')[1] ?? words[at + 1] ?? '')
  }
  const list = (name: string): string[] => (value(name) ?? '').split(',').filter((word) => word !== '')
  const quick = words.includes('--quick')
  const rounds = Number(value('--rounds') ?? (quick ? 1 : 3))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds takes a whole number from 1: ${usage}`)
  const only = list('--only')
  const unknown = only.filter((name) => !shapes(quick).some((shape) => shape.name === name))
  if (unknown.length > 0) throw new Error(`There is no shape "${unknown.join(', ')}": ${usage}`)
  return { against: list('--against'), only, rounds, quick }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
