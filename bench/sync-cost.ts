import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

/** What one run took. */
export interface Cost {
  /** Seconds from its start to its end. */
  wall: number
  /** Seconds of CPU time of the program and all that it started. */
  cpu: number
  /** Seconds of CPU time of the servers. */
  servers: number
  /** MiB resident at most. */
  peak: number
}

/** A program with its arguments. */
export interface Command {
  file: string
  args: readonly string[]
  env: Readonly<Record<string, string>>
  cwd: string
}

/** The kernel counts CPU time in ticks: 100 a second, on every Linux. */
const ticks = 100

/** Seconds of CPU time from `/proc`: of a process itself, or of its children that have ended. */
function cpuOf(pid: number | 'self', whose: 'own' | 'ended'): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field, in brackets, is a name that may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const at = whose === 'own' ? 11 : 13
  return (Number(fields[at]) + Number(fields[at + 1])) / ticks
}

/** The environment without what some of the programs take seconds to read, or fail of: authorities of this machine, for servers without TLS. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _node, AWS_CA_BUNDLE: _aws, ...others } = process.env
  return others
}

/**
 * Runs a program to its end. Nothing else may end beside it that this process started.
 * @throws Error when it fails
 */
export async function costOf({ file, args, env, cwd }: Command, servers: readonly number[]): Promise<Cost> {
  const serversBefore = servers.reduce((sum, pid) => sum + cpuOf(pid, 'own'), 0)
  const before = cpuOf('self', 'ended')
  const begun = performance.now()
  const child = spawn(file, args, { cwd, env: { ...plainEnvironment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const printed = Promise.all([text(child.stdout), text(child.stderr)])
  let peak = 0
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024)
    } catch {
      // It has just ended.
    }
  }, 20)
  const [code] = await once(child, 'exit')
  const wall = (performance.now() - begun) / 1000
  clearInterval(timer)
  if (code !== 0)
    throw new Error(`${file} ${args.join(' ')} ended with ${code}:\n${(await printed).join('').slice(-2000)}`)
  const cpu = cpuOf('self', 'ended') - before
  const serversAfter = servers.reduce((sum, pid) => sum + cpuOf(pid, 'own'), 0)
  return { wall, cpu, servers: serversAfter - serversBefore, peak }
}
