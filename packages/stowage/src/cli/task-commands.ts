import type { SyncTask } from '@stowage/core'
import type { QueuedTask } from '@stowage/sync'
import type { Command } from 'commander'
import { exitCodes } from './exit-codes.ts'
import { formatBytes, formatTable, printable } from './format.ts'
import type { Io } from './output.ts'
import { parseCount } from './parse.ts'
import { type CommandContext, type CommonOptions, common, withStowage } from './run.ts'
import { statusExitCode } from './sync-commands.ts'

/** `stowage task list|show|retry|cancel|pause|resume`. */
export function addTaskCommands(program: Command, io: Io, done: (code: number) => void): void {
  const task = program.command('task').description('sync tasks')
  const run = async (flags: CommonOptions, action: (context: CommandContext) => Promise<number>) =>
    done(await withStowage(io, flags, action))

  common(task.command('list').description('tasks, newest first'))
    .option('--limit <n>', 'how many', parseCount, 50)
    .action((flags: CommonOptions & { limit: number }) =>
      run(flags, async ({ stowage, output }) => {
        const tasks = await stowage.tasks.list({ limit: flags.limit })
        const header = ['ID', 'STATUS', 'PROGRESS', 'FROM', 'TO', 'COPIED', 'FAILED', 'SENT']
        output.result(tasks, formatTable(header, tasks.map(row)))
        return exitCodes.done
      }),
    )

  common(task.command('show <id>').description('all that is known of a task')).action(
    (id: string, flags: CommonOptions) =>
      run(flags, async ({ stowage, output }) => {
        const found = await stowage.tasks.get(id)
        const queued = await stowage.tasks.queued(id)
        const text = queued === undefined ? describeTask(found) : `${describeTask(found)}\n${describeQueued(queued)}`
        output.result(queued === undefined ? found : { ...found, queue: queued }, text)
        return exitCodes.done
      }),
  )

  common(
    task
      .command('retry <id>')
      .description('run a failed or stopped task again: one of the queue there, another one here and now'),
  ).action((id: string, flags: CommonOptions) =>
    run(flags, async ({ stowage, output, signal }) => {
      if ((await stowage.tasks.get(id)).queued === true) {
        await stowage.tasks.requeue(id)
        output.result({ taskId: id, status: 'pending' }, `task ${id} waits for a worker`)
        return exitCodes.done
      }
      const result = await stowage.tasks.retry(id, { signal })
      output.result(
        result,
        `${result.status}: ${result.objects.copied} copied, ${result.objects.failed} failed (task ${result.taskId})`,
      )
      return statusExitCode(result.status)
    }),
  )

  common(task.command('cancel <id>').description('stop a task for good, and throw its unfinished uploads away')).action(
    (id: string, flags: CommonOptions) =>
      run(flags, async ({ stowage, output }) => {
        await stowage.tasks.cancel(id)
        const { status } = await stowage.tasks.get(id)
        const texts: Partial<Record<typeof status, string>> = {
          cancelled: `task ${id} is cancelled`,
          success: `task ${id} had ended before: success`,
          failed: `task ${id} had ended before: failed`,
        }
        const text = texts[status] ?? `task ${id} will stop at its next checkpoint`
        output.result({ taskId: id, cancel: 'requested', status }, text)
        return exitCodes.done
      }),
  )

  common(
    task
      .command('pause <id>')
      .description('let a task of the queue wait until it is resumed; it keeps what it has done'),
  ).action((id: string, flags: CommonOptions) =>
    run(flags, async ({ stowage, output }) => {
      await stowage.tasks.pause(id)
      output.result({ taskId: id, pause: 'requested' }, `task ${id} waits, or will within a few seconds`)
      return exitCodes.done
    }),
  )

  common(task.command('resume <id>').description('let a paused task go on')).action(
    (id: string, flags: CommonOptions) =>
      run(flags, async ({ stowage, output }) => {
        await stowage.tasks.resume(id)
        output.result({ taskId: id, status: 'pending' }, `task ${id} waits for a worker`)
        return exitCodes.done
      }),
  )
}

function describeQueued({ state, priority, dueAt, attempts, maxAttempts, worker, reason }: QueuedTask): string {
  return [
    `queue: ${state}, priority ${priority}, ${attempts} of ${maxAttempts} tries failed`,
    ...(state === 'waiting' ? [`due at ${new Date(dueAt).toISOString()}`] : []),
    ...(worker === undefined ? [] : [`worked on by process ${worker.pid} on ${printable(worker.host)}`]),
    ...(reason === undefined ? [] : [`because [${reason.code}]: ${printable(reason.message)}`]),
  ].join('\n')
}

function row(t: SyncTask): string[] {
  const ends = [`${t.sourceId}:${t.sourcePrefix}`, `${t.targetId}:${t.targetPrefix}`].map(printable) as [string, string]
  return [
    t.id,
    t.status,
    `${Math.floor(t.progress)}%`,
    ...ends,
    String(t.objects.copied),
    String(t.objects.failed),
    formatBytes(t.transferredSize),
  ]
}

function describeTask(t: SyncTask): string {
  const { copied, skipped, deleted, failed } = t.objects
  return [
    formatTable(['ID', 'STATUS', 'PROGRESS', 'FROM', 'TO', 'COPIED', 'FAILED', 'SENT'], [row(t)]),
    ...(t.status === 'running' ? [describeRate(t)] : []),
    `${t.type}; ${copied} copied, ${skipped} unchanged, ${deleted} deleted, ${failed} failed; ${formatBytes(t.resumedSize)} not sent again`,
    ...(t.errorMessage === undefined ? [] : [`error [${t.errorCode ?? 'internal'}]: ${printable(t.errorMessage)}`]),
    ...t.errors.map((e) => `failed: ${printable(e.key)} [${e.code}] ${printable(e.message)}`),
  ].join('\n')
}

/** How fast a running task is, and how much is left of what is known. */
function describeRate({ speed, totalSize, transferredSize, workers = 1, updatedAt }: SyncTask): string {
  const by = workers > 1 ? `, by ${workers} workers` : ''
  const at = new Date(updatedAt).toISOString().slice(11, 19)
  return `${formatBytes(transferredSize)} of ${formatBytes(totalSize)} so far, ${formatBytes(speed)}/s${by}, as of ${at} UTC`
}
