import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterTest } from './tmp.ts'

const isBuilt = process.env['STOWAGE_TEST_PROGRAMS'] === 'built'
/**
 * Arguments of Node for a program of a test's own that imports packages by name: it gets them as they were built, or from their sources where
 * these are newer.
 */
export const nodeArgs: readonly string[] = isBuilt ? [] : ['--conditions=stowage-source']

/** A module of the `stowage` package, as a string of JavaScript. */
function moduleOf(name: string): string {
  const path = isBuilt ? `dist/${name}.js` : `src/${name}.ts`
  return JSON.stringify(join(import.meta.dirname, '../../packages/stowage', path))
}

/** The command line, for a process that a test starts by itself with {@link nodeArgs}: a module that takes its arguments. */
export const cliProgram: string = `import(${moduleOf('cli')}).then(async (m) => { process.exitCode = await m.main(process.argv.slice(1)) })`

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

/** A running command line, in a process of its own. */
export interface CliProcess {
  readonly process: ChildProcess
  /** Waits for a line of its stdout, by its number from 0. @throws Error with what it said when it ends before */
  line(number: number): Promise<string>
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
  return start(cliProgram, args, options)
}

/** Starts a program in a process of its own: the body of a function that gets the `stowage` package and its arguments. */
export function startProgram(body: string, args: readonly string[], options: CliOptions): CliProcess {
  const source = `import(${moduleOf('index')}).then(async (stowage) => {
    const args = process.argv.slice(1)
    ${body}
  })`
  return start(source, args, options)
}

function start(source: string, args: readonly string[], options: CliOptions): CliProcess {
  const child = spawn(process.execPath, [...nodeArgs, '--input-type=module', '-e', source, '--', ...args], {
    cwd: options.cwd,
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  let ended = false
  const closed = once(child, 'close').then(([code]) => {
    ended = true
    return { code: code as number | null, stdout, stderr }
  })
  async function line(number: number): Promise<string> {
    for (;;) {
      const lines = stdout.split('\n')
      if (lines.length > number + 1) return lines[number] as string
      if (ended) throw new Error(`It ended before it wrote line ${number}: ${stdout}${stderr}`)
      await Promise.race([once(child.stdout, 'data'), closed])
    }
  }
  async function kill(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await closed
  }
  afterTest(kill)
  return { process: child, line, kill, done: closed }
}

/** Runs `stowage ARGS` in a process of its own and waits for its end. */
export function runCli(args: readonly string[], options: CliOptions): Promise<CliRun> {
  return startCli(args, options).done
}
