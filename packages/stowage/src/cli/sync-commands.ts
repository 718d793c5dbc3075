import { type ConflictPolicy, isSafetyStop, type PlannedChange, type SyncResult } from '@stowage/sync'
import { type Command, Option } from 'commander'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { type FilterFlags, filterOptions, filtersOf } from './filter-options.ts'
import { formatBytes, formatSeconds, printable } from './format.ts'
import type { Io, Output } from './output.ts'
import { parseBytes, parseCount, parseDuration, parsePercent } from './parse.ts'
import { ofSync } from './progress-bar.ts'
import { type CommonOptions, common, withStowage } from './run.ts'

interface SyncFlags extends CommonOptions, FilterFlags {
  delete?: boolean
  maxDelete: number
  maxDeleteCount?: number
  allowEmpty?: boolean
  twoWay?: boolean
  conflict?: ConflictPolicy
  checksum?: boolean
  dryRun?: boolean
  concurrency?: number
  partSize?: number
  bwlimit?: number
  outageLimit?: number
  timeLimit?: number
}

/** `stowage sync`. */
export function addSyncCommands(program: Command, io: Io, done: (code: number) => void): void {
  const command = program
    .command('sync <from> <to>')
    .description('make TO hold what FROM holds; locations are SOURCE_ID:PREFIX')
    .option('--delete', 'delete what FROM does not have, after copying')
    .option('--two-way', 'carry changes of either side over to the other, deletes too')
    .addOption(
      new Option(
        '--conflict <rule>',
        'with --two-way: whose version keeps its name; the other is kept beside it',
      ).choices(['newer', 'source', 'target', 'keep-both']),
    )
    .option('--max-delete <percent>', 'stop rather than delete more than this share of a side', parsePercent, 50)
    .option('--max-delete-count <n>', 'stop rather than delete more objects of a side than this', parseCount)
    .option('--allow-empty', 'allow an empty FROM to empty TO; with --two-way, either side the other')
    .option('--checksum', 'compare by reading both sides')
    .option('--dry-run', 'name what would be copied and deleted, and do nothing')
  filterOptions(command)
    .option('--concurrency <n>', 'transfers at once', parseCount)
    .option('--part-size <bytes>', 'size of the parts of large objects', parseBytes)
    .option('--bwlimit <bytes>', 'bytes a second, at most', parseBytes)
    .option('--outage-limit <seconds>', 'fail when a store is down for this long (default: 60)', parseDuration)
    .option('--time-limit <seconds>', 'stop after this time; the same command goes on from there', parseDuration)
  common(command).action(async (from: string, to: string, flags: SyncFlags) => {
    done(
      await withStowage(io, flags, ({ stowage, output, signal }) =>
        runSync(stowage, output, signal, { from, to, flags }),
      ),
    )
  })
}

async function runSync(
  stowage: import('../app/stowage.ts').Stowage,
  output: Output,
  signal: AbortSignal,
  { from, to, flags }: { from: string; to: string; flags: SyncFlags },
): Promise<number> {
  const bar = output.bar()
  const planned: PlannedChange[] = []
  let result: SyncResult
  try {
    result = await stowage.sync({
      from,
      to,
      signal,
      ...(flags.twoWay === true ? { twoWay: true } : { delete: flags.delete === true }),
      ...(flags.conflict === undefined ? {} : { conflict: flags.conflict }),
      maxDeletePercent: flags.maxDelete,
      ...(flags.maxDeleteCount === undefined ? {} : { maxDeleteCount: flags.maxDeleteCount }),
      allowEmpty: flags.allowEmpty === true,
      checksum: flags.checksum === true,
      dryRun: flags.dryRun === true,
      ...filtersOf(flags),
      ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
      ...(flags.partSize === undefined ? {} : { partSize: flags.partSize }),
      ...(flags.bwlimit === undefined ? {} : { bandwidthLimit: flags.bwlimit }),
      ...(flags.outageLimit === undefined ? {} : { outageMs: flags.outageLimit * 1000 }),
      ...(flags.timeLimit === undefined ? {} : { timeLimitMs: flags.timeLimit * 1000 }),
      // Its lines would run into the bar.
      onProgress: (p) => (flags.dryRun === true ? undefined : bar.update(ofSync(p))),
      onPlanned: (change) => {
        output.line(planLine(change, from, to))
        if (planned.length < toldInJson) planned.push(change)
      },
    })
  } catch (error) {
    bar.stop()
    output.error(error)
    return syncExitCode(error)
  }
  bar.stop()
  // Nothing is wrong with that, but a folder whose name is misspelt looks the same.
  if (result.status === 'success' && flags.twoWay !== true && Object.values(result.objects).every((n) => n === 0))
    output.note(`note: nothing that takes part lies under ${printable(from)}`)
  report(output, result, flags.dryRun === true ? planned : undefined)
  return statusExitCode(result.status)
}

/** A sync that threw was told wrong, was told to stop, or stopped for safety: it could not take its lease, or get through a listing. */
export function syncExitCode(error: unknown): number {
  return isSafetyStop(error) ? exitCodes.unsafe : exitCodeOf(error)
}

/** The exit code of a run that came to a result. */
export function statusExitCode(status: SyncResult['status']): number {
  if (status === 'success') return exitCodes.done
  return status === 'paused' ? exitCodes.stopped : exitCodes.failed
}

/** Changes of a dry run that its JSON names, at most. */
const toldInJson = 1000

/** One change of a dry run, with the place that would be changed. */
function planLine({ action, at, key, size }: PlannedChange, from: string, to: string): string {
  const place = at === 'to' ? to : from
  const folder = place.endsWith(':') || place.endsWith('/') ? place : `${place}/`
  const what = `${action.padEnd(6)} ${printable(folder + key)}`
  return size === undefined ? what : `${what} (${formatBytes(size)})`
}

/** @param planned what a dry run found */
function report(output: Output, result: SyncResult, planned?: PlannedChange[]): void {
  const dryRun = planned !== undefined
  for (const warning of result.warnings) output.note(`note: ${printable(warning)}`)
  output.failures(result.errors)
  const { copied, skipped, deleted, failed, conflicts } = result.objects
  const verb = dryRun ? 'would be ' : ''
  const rate = result.seconds > 0 ? `, ${formatBytes(result.bytes.transferred / result.seconds)}/s` : ''
  const counts = `${copied} ${verb}copied, ${skipped} unchanged, ${deleted} ${verb}deleted, ${conflicts === 0 ? '' : `${conflicts} conflicts, `}${failed} failed`
  const bytes = `${formatBytes(dryRun ? result.bytes.total : result.bytes.transferred)} in ${formatSeconds(result.seconds)}${dryRun ? '' : rate}`
  output.result(
    dryRun ? { ...result, planned } : result,
    `${result.status}: ${counts}; ${bytes} (task ${result.taskId})`,
  )
}
