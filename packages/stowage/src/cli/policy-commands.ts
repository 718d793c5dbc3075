import { type Command, Option } from 'commander'
import type { PolicyConfig } from '../config/index.ts'
import type { PolicyRun, PolicyView } from '../policies/index.ts'
import { exitCodes } from './exit-codes.ts'
import { type FilterFlags, filterOptions, filtersOf } from './filter-options.ts'
import { formatBytes, formatTable, printable } from './format.ts'
import type { Io, Output } from './output.ts'
import { collect, parseAge, parseCount, parsePercent } from './parse.ts'
import { type CommandContext, type CommonOptions, common, withStowage } from './run.ts'
import { statusExitCode, syncExitCode } from './sync-commands.ts'

interface PolicyFlags extends CommonOptions, FilterFlags {
  on: PolicyConfig['on']
  from: string
  to: string
  schedule?: string
  timeZone?: string
  overlap?: 'skip' | 'queue'
  missed?: 'once' | 'skip'
  tag?: string[]
  twoWay?: boolean
  conflict?: 'newer' | 'source' | 'target' | 'keep-both'
  delete?: boolean
  maxDelete?: number
  maxDeleteCount?: number
  priority?: number
  reconcile?: string
  debounce?: number
  disabled?: boolean
}

/** `stowage policy list|add|remove|enable|disable|run`. */
export function addPolicyCommands(program: Command, io: Io, done: (code: number) => void): void {
  const policy = program.command('policy').description('what is kept in step, and when')
  const run = async (flags: CommonOptions, action: (context: CommandContext) => Promise<number>) =>
    done(await withStowage(io, flags, action))

  common(policy.command('list').description('policies, how they went, and how far behind they are')).action(
    (flags: CommonOptions) =>
      run(flags, async ({ stowage, output }) => {
        showPolicies(output, await stowage.policies.list())
        return exitCodes.done
      }),
  )

  addOptions(policy.command('add <id>').description('add a policy to the catalog, while others run')).action(
    (id: string, flags: PolicyFlags) =>
      run(flags, async ({ stowage, output }) => {
        output.result(await stowage.policies.add(configOf(id, flags)), `added ${id}`)
        return exitCodes.done
      }),
  )

  common(policy.command('remove <id>').description('take a policy out of the catalog; what it copied stays')).action(
    (id: string, flags: CommonOptions) =>
      run(flags, async ({ stowage, output }) => {
        const known = (await stowage.policies.list()).some((policy) => policy.id === id)
        await stowage.policies.remove(id)
        output.result({ id, removed: known }, known ? `removed ${id}` : `there is no policy ${printable(id)}`)
        return exitCodes.done
      }),
  )

  for (const [name, what] of [
    ['enable', 'let a policy act by itself again'],
    ['disable', 'keep a policy from acting by itself'],
  ] as const) {
    common(policy.command(`${name} <id>`).description(what)).action((id: string, flags: CommonOptions) =>
      run(flags, async ({ stowage, output }) => {
        output.result(await stowage.policies[name](id), `${name}d ${id}`)
        return exitCodes.done
      }),
    )
  }

  common(policy.command('run <id>').description('run a policy now, and wait for it'))
    .option('--background', 'leave it to a worker')
    .action((id: string, flags: CommonOptions & { background?: boolean }) =>
      run(flags, async ({ stowage, output, signal }) => {
        if (flags.background === true) {
          await stowage.policies.trigger(id)
          output.result({ id, trigger: 'requested' }, `${id} will be run by a worker`)
          return exitCodes.done
        }
        try {
          const result = await stowage.policies.run(id, { signal })
          report(output, result)
          return statusExitCode(result.status)
        } catch (error) {
          output.error(error)
          return syncExitCode(error)
        }
      }),
    )
}

function addOptions(command: Command): Command {
  const choice = (flags: string, what: string, choices: string[]): Option => new Option(flags, what).choices(choices)
  command
    .addOption(
      choice('--on <trigger>', 'when it acts', ['publish', 'event', 'schedule', 'manual']).makeOptionMandatory(),
    )
    .requiredOption('--from <place>', 'SOURCE:PREFIX; for datasets a source id, or *')
    .requiredOption('--to <place>', 'SOURCE:PREFIX; for datasets a source id')
    .option('--schedule <cron>', 'five fields, such as "30 2 * * *", or @daily')
    .option('--time-zone <name>', 'of the schedule, such as Europe/Berlin (default: UTC)')
    .addOption(choice('--overlap <rule>', 'a time that comes while the run before is at it', ['skip', 'queue']))
    .addOption(choice('--missed <rule>', 'times that passed while no worker ran', ['once', 'skip']))
    .option('--tag <tag>', 'only datasets with this tag (may be given several times)', collect)
    .option('--two-way', 'carry changes of either side over to the other')
    .addOption(
      choice('--conflict <rule>', 'with --two-way: whose version keeps its name', [
        'newer',
        'source',
        'target',
        'keep-both',
      ]),
    )
    .option('--delete', 'delete from TO what FROM does not have')
    .option('--max-delete <percent>', 'stop rather than delete more than this share', parsePercent)
    .option('--max-delete-count <n>', 'stop rather than delete more objects than this', parseCount)
  return common(
    filterOptions(command)
      .option('--priority <n>', 'larger is sooner', Number)
      .option('--reconcile <time>', 'with --on event: how often everything is looked at, as 24h or a cron expression')
      .option('--debounce <time>', 'with --on event: how long events are collected, such as 5s', parseAge)
      .option('--disabled', 'add it without letting it act yet'),
  )
}

function configOf(id: string, flags: PolicyFlags): PolicyConfig {
  const { on, from, to, schedule, timeZone, overlap, missed, twoWay, conflict, priority, reconcile } = flags
  const given = {
    schedule,
    timeZone,
    overlap,
    missed,
    tags: flags.tag,
    twoWay,
    conflict,
    delete: flags.delete,
    maxDeletePercent: flags.maxDelete,
    maxDeleteCount: flags.maxDeleteCount,
    ...filtersOf(flags),
    priority,
    reconcile,
    debounceMs: flags.debounce,
    enabled: flags.disabled === true ? false : undefined,
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { id, on, from, to, ...set }
}

function showPolicies(output: Output, policies: readonly PolicyView[]): void {
  const time = (at: number | undefined): string => (at === undefined ? '-' : new Date(at).toISOString())
  const rows = policies.map((p) => [
    p.id,
    p.on,
    printable(p.from),
    printable(p.to),
    p.origin,
    p.state,
    p.last === undefined ? '-' : p.last.status,
    time(p.reconciled?.from),
    p.lag === undefined ? '-' : `${(p.lag.p50Ms / 1000).toFixed(1)} s, ${(p.lag.p99Ms / 1000).toFixed(1)} s`,
  ])
  const header = ['ID', 'ON', 'FROM', 'TO', 'ORIGIN', 'STATE', 'LAST', 'RECONCILED', 'LAG P50, P99']
  output.result(policies, formatTable(header, rows))
}

function report(output: Output, run: PolicyRun): void {
  for (const sync of run.syncs) {
    for (const warning of sync.warnings) output.note(`note: ${printable(warning)}`)
    output.failures(sync.errors)
  }
  const { copied, skipped, deleted, failed } = run.objects
  const why = run.error === undefined ? '' : ` [${run.error.code}] ${printable(run.error.message)}`
  output.result(
    run,
    `${run.status}: ${copied} copied, ${skipped} unchanged, ${deleted} deleted, ${failed} failed; ${formatBytes(run.bytes)}${why}`,
  )
}
