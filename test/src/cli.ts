import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterTest } from './tmp.ts'

const sources = join(import.meta.dirname, '../../packages/stowage/src')
const program = `import(${JSON.stringify(join(sources, 'cli.ts'))}).then(async (m) => { process.exitCode = await m.main(process.argv.slice(1)) })`

export interface CliOptions {
  cwd: string
  env?: Readonly<Record<string, string>>
}

export interface CliRun {
  /** `null` when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running command line, from the sources, in a process of its own. */
export interface CliProcess {
  readonly process: ChildProcess
  /** Ends it at once, with SIGKILL, and waits for that. */
  kill(): Promise<void>
  readonly done: Promise<CliRun>
}

/** Starts `stowage worker` with a configuration of its own, which is written into its folder. */
export function startWorker(config: object, options: CliOptions): CliProcess {
  const path = join(options.cwd, `worker-${createHash('sha256').update(JSON.stringify(config)).digest('hex')}.json`)
  if (!existsSync(path)) writeFileSync(path, JSON.stringify(config))
  return startCli(['worker', '--config', path, '--json'], options)
}

/** Starts `stowage ARGS` in a process of its own, which ends with the test at the latest. */
export function startCli(args: readonly string[], options: CliOptions): CliProcess {
  return start(program, args, options)
}

/** Starts a program in a process of its own: the body of a function that gets the `stowage` package and its arguments. */
export function startProgram(body: string, args: readonly string[], options: CliOptions): CliProcess {
  const source = `import(${JSON.stringify(join(sources, 'index.ts'))}).then(async (stowage) => {
    const args = process.argv.slice(1)
    ${body}
  })`
  return start(source, args, options)
}

function start(source: string, args: readonly string[], options: CliOptions): CliProcess {
  const child = spawn(
    process.execPath,
    ['--conditions=stowage-source', '--input-type=module', '-e', source, '--', ...args],
    {
      cwd: options.cwd,
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const closed = once(child, 'close')
  async function kill(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await closed
  }
  afterTest(kill)
  return { process: child, kill, done: closed.then(([code]) => ({ code: code as number | null, stdout, stderr })) }
}

/** Runs `stowage ARGS` in a process of its own and waits for its end. */
export function runCli(args: readonly string[], options: CliOptions): Promise<CliRun> {
  return startCli(args, options).done
}
