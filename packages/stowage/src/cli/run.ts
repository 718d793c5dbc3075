import { type Actor, StowageError } from '@stowage/core'
import type { Command } from 'commander'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import { KnownSecrets, loadConfig } from '../config/index.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { type Io, Output, type OutputOptions } from './output.ts'

/** Options every command takes. */
export interface CommonOptions extends OutputOptions {
  config?: string
}

/** What a command's action gets. */
export interface CommandContext {
  stowage: Stowage
  output: Output
  signal: AbortSignal
}

/** Adds the options every command takes. */
export function common(command: Command): Command {
  return command
    .option('--config <path>', 'configuration file (default: stowage.config.json, .mjs or .ts here)')
    .option('--json', 'print one JSON document on stdout')
    .option('--quiet', 'print nothing but results asked for and errors')
    .option('--verbose', 'print the details of errors')
}

/** Adds the options that say who asks. */
export function asActor(command: Command): Command {
  return command
    .option('--user <id>', 'the user who asks', 'local')
    .option('--user-type <type>', 'external or internal', 'internal')
    .option('--workspace <id>', 'the workspace that asks')
    .option('--region <region>', 'the region of the user or node')
}

export interface ActorOptions {
  user: string
  userType: string
  workspace?: string
  region?: string
}

/** The actor that the options name. @throws StowageError `configuration` for another user type */
export function actorOf(options: ActorOptions): Actor {
  if (options.userType !== 'external' && options.userType !== 'internal') {
    throw new StowageError('configuration', `--user-type is "${options.userType}".`, {
      field: '--user-type',
      hint: 'Use external or internal.',
    })
  }
  return {
    userId: options.user,
    userType: options.userType,
    ...(options.workspace === undefined ? {} : { workspaceId: options.workspace }),
    ...(options.region === undefined ? {} : { region: options.region }),
  }
}

/** Opens Stowage for one command, runs it, closes, and turns errors into one line and an exit code. */
export async function withStowage(
  io: Io,
  options: CommonOptions,
  action: (context: CommandContext) => Promise<number>,
): Promise<number> {
  const output = new Output(io, options)
  let stowage: Stowage | undefined
  try {
    const config = await loadConfig({
      directory: io.cwd,
      env: io.env,
      ...(options.config === undefined ? {} : { path: options.config }),
    })
    const known = KnownSecrets.of(config)
    output.redactor = () => known.redactor
    stowage = await createStowage(config, { background: false, env: io.env })
    const { sources } = stowage
    output.redactor = () => sources.redactor
    output.resultRedactor = () => sources.resultRedactor
    return await action({ stowage, output, signal: io.signal })
  } catch (error) {
    output.error(error)
    return io.signal.aborted ? exitCodes.stopped : exitCodeOf(error)
  } finally {
    await stowage?.close()
  }
}
