import { once } from 'node:events'
import type { StowageError } from '@stowage/core'
import type { Command } from 'commander'
import { missingPackage } from '../app/missing-package.ts'
import { exitCodes } from './exit-codes.ts'
import { describeError, type Io } from './output.ts'
import { parsePort } from './parse.ts'
import { type CommandContext, type CommonOptions, common, withStowage } from './run.ts'
import { noteAlerts, workUntilStopped } from './worker-command.ts'

interface ServeFlags extends CommonOptions {
  port: number
  host: string
  workers: boolean
}

/** Where it listens unless told otherwise: STOW on the keys of a telephone. */
const usualPort = 7869

/** `stowage serve`. */
export function addServeCommand(program: Command, io: Io, done: (code: number) => void): void {
  common(
    program
      .command('serve')
      .description(
        'answer over HTTP and do tasks of the queue until stopped; what runs then goes on with the next worker',
      )
      .option('--port <n>', 'the port, 0 for any that is free', parsePort, usualPort)
      .option('--host <host>', 'the address to listen on', '127.0.0.1')
      .option('--no-workers', 'leave tasks, policies and periodic jobs to "stowage worker"'),
  ).action(async (flags: ServeFlags) => {
    done(await withStowage(io, flags, (context) => serve(context, flags)))
  })
}

async function serve(context: CommandContext, { host, port, workers }: ServeFlags): Promise<number> {
  const { stowage, output, signal } = context
  const onError = (error: StowageError): void => output.note(describeError(error))
  noteAlerts(context)
  const { httpApp, listen } = await http()
  const app = await httpApp(stowage, { signal, onError })
  try {
    const server = await listen(app, { host, port, onError })
    try {
      output.note(`listening on ${server.url}`)
      const ended = workers ? await workUntilStopped(context) : await stopped(signal)
      output.result({ status: 'stopped', url: server.url, ended }, `stopped; ${ended} tasks ended here`)
    } finally {
      await server.close()
    }
  } finally {
    await app.close()
  }
  return exitCodes.done
}

/** Loaded here alone: no other command has to wait for it. @throws StowageError `configuration` that says what to install */
async function http(): Promise<typeof import('../http/index.ts')> {
  try {
    return await import('../http/index.ts')
  } catch (cause) {
    throw missingPackage(cause, {
      needs: '"stowage serve" needs packages that are not all installed.',
      install: ['hono', '@hono/node-server'],
    })
  }
}

async function stopped(signal: AbortSignal): Promise<number> {
  if (!signal.aborted) await once(signal, 'abort')
  return 0
}
