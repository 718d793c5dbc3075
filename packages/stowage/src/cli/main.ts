import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { Command, CommanderError } from 'commander'
import { addCacheCommands } from './cache-commands.ts'
import { addDatasetCommands } from './dataset-commands.ts'
import { exitCodes } from './exit-codes.ts'
import { type Io, Output } from './output.ts'
import { addPolicyCommands } from './policy-commands.ts'
import { addRouteCommands } from './route-commands.ts'
import { addServeCommand } from './serve-command.ts'
import { addSourceCommands } from './source-commands.ts'
import { addSyncCommands } from './sync-commands.ts'
import { addTaskCommands } from './task-commands.ts'
import { addVerifyCommands } from './verify-commands.ts'
import { addWorkerCommand } from './worker-command.ts'

/** Runs the command line and gives the exit code. Touches nothing of the process but what `io` names. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let code: number = exitCodes.done
  const done = (value: number) => {
    code = value
  }
  const program = new Command('stowage')
    .description(
      'Decides where a dataset lives, moves it there safely, and hands it out from the nearest healthy copy.',
    )
    .version(version(), '--version')
    .helpCommand(true)
  addSourceCommands(program, io, done)
  addCacheCommands(program, io, done)
  addSyncCommands(program, io, done)
  addVerifyCommands(program, io, done)
  addDatasetCommands(program, io, done)
  addPolicyCommands(program, io, done)
  addTaskCommands(program, io, done)
  addWorkerCommand(program, io, done)
  addServeCommand(program, io, done)
  addRouteCommands(program, io, done)
  configure(program, io, args.includes('--json'))
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    new Output(io, { json: args.includes('--json'), verbose: args.includes('--verbose') }).error(error)
    return exitCodes.failed
  }
  return code
}

/**
 * Runs the command line of this process: the first SIGINT or SIGTERM stops cleanly, the second at once.
 */
export async function main(args: readonly string[]): Promise<number> {
  const stop = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(exitCodes.stopped)
    process.stderr.write(
      `\nstowage: ${name}, stopping; the same command goes on from here (once more to stop at once)\n`,
    )
    stop.abort(new Error(name))
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  // A reader that closes its end early, such as `head`, is no failure of ours: the work goes on and its exit code stands. Output that is lost
  // otherwise, on a full disk say, is one.
  let lost = false
  const onOutputError = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') lost = true
  }
  process.stdout.on('error', onOutputError)
  process.stderr.on('error', onOutputError)
  try {
    const code = await run(args, {
      stdout: process.stdout,
      stderr: process.stderr,
      cwd: process.cwd(),
      env: process.env,
      signal: stop.signal,
      readStdin: () => text(process.stdin),
    })
    await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
    return code === exitCodes.done && lost ? exitCodes.failed : code
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

/** Every command throws instead of exiting, and writes where `io` says; usage errors follow the same form as all others. */
function configure(command: Command, io: Io, json: boolean): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => {
      const message = text.replace(/^error: /, '').trim()
      if (json)
        io.stdout.write(`${JSON.stringify({ status: 'failed', error: { code: 'configuration', message } }, null, 2)}\n`)
      write(`stowage: error [configuration]: ${message}\n`)
    },
  })
  for (const child of command.commands) configure(child, io, json)
}

function version(): string {
  const manifest = createRequire(import.meta.url)('stowage/package.json') as { version: string }
  return manifest.version
}
