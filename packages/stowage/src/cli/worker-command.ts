import type { Command } from 'commander'
import { exitCodes } from './exit-codes.ts'
import type { Io } from './output.ts'
import { parseCount } from './parse.ts'
import { type CommandContext, type CommonOptions, common, withStowage } from './run.ts'

/** `stowage worker`. */
export function addWorkerCommand(program: Command, io: Io, done: (code: number) => void): void {
  common(
    program
      .command('worker')
      .description('do tasks of the queue until stopped; what runs then goes on with the next worker')
      .option('--concurrency <n>', 'tasks at a time', parseCount),
  ).action(async (flags: CommonOptions & { concurrency?: number }) => {
    done(
      await withStowage(io, flags, async (context) => {
        noteAlerts(context)
        const ended = await workUntilStopped(context, flags.concurrency)
        context.output.result({ status: 'stopped', ended }, `stopped; ${ended} tasks ended here`)
        return exitCodes.done
      }),
    )
  })
}

/** Says what needs somebody's attention, from now on. */
export function noteAlerts({ stowage, output }: CommandContext): void {
  stowage.events.on('alert', ({ severity, code, message }) => output.note(`${severity} [${code}]: ${message}`))
}

/**
 * Does tasks of the queue, policies and the periodic jobs until the signal fires, and says how that goes.
 * @returns how many tasks ended here
 */
export async function workUntilStopped(
  { stowage, output, signal }: CommandContext,
  concurrency?: number,
): Promise<number> {
  let ended = 0
  stowage.events.on('task.state', ({ id, status, errorCode }) => {
    if (status === 'success' || status === 'failed' || status === 'cancelled') ended++
    output.note(`task ${id}: ${status}${errorCode === undefined ? '' : ` [${errorCode}]`}`)
  })
  output.note('ready: does tasks until it is stopped')
  await stowage.work({ signal, ...(concurrency === undefined ? {} : { concurrency }) })
  return ended
}
