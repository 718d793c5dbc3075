import { RateMeter, StowageError } from '@stowage/core'
import type { VerifyResult } from '@stowage/sync'
import type { Command } from 'commander'
import type { DatasetVerification, ScrubFinding, ScrubResult, ScrubStatus } from '../scrub/index.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { formatBytes, formatSeconds, formatTable, printable } from './format.ts'
import type { Io, Output } from './output.ts'
import { parseBytes } from './parse.ts'
import { type CommandContext, type CommonOptions, common, withStowage } from './run.ts'
import { syncExitCode } from './sync-commands.ts'

interface VerifyFlags extends CommonOptions {
  source?: string
  repair?: boolean
}

/** `stowage verify` and `stowage scrub`. */
export function addVerifyCommands(program: Command, io: Io, done: (code: number) => void): void {
  common(
    program
      .command('verify <a> [b]')
      .description('read two locations and compare the bytes; or read every replica of DATASET or DATASET@VERSION'),
  )
    .option('--source <id>', 'of a dataset: only its replica there')
    .option('--repair', 'of a dataset: write again, from good copies, what is bad')
    .action(async (a: string, b: string | undefined, flags: VerifyFlags) => {
      done(
        await withStowage(io, flags, (context) =>
          b === undefined ? verifyDataset(context, a, flags) : verifyLocations(context, a, b, flags),
        ),
      )
    })
  const scrub = program.command('scrub').description('replicas read again and again, so that rot is found and mended')
  common(scrub.command('run').description('read what is due, and mend what is bad'))
    .option('--source <id>', 'only this source')
    .option('--budget <bytes>', 'bytes to read, at most', parseBytes)
    .option('--no-repair', 'mend nothing')
    .action(async (flags: CommonOptions & { source?: string; budget?: number; repair: boolean }) => {
      done(await withStowage(io, flags, (context) => runScrub(context, flags)))
    })
  common(scrub.command('status').description('when each replica was read last, and what was found')).action(
    async (flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          const all: ScrubStatus[] = []
          for await (const status of stowage.scrubStatus()) all.push(status)
          output.result(all, describeScrubs(all))
          return exitCodes.done
        }),
      )
    },
  )
}

async function verifyLocations(
  { stowage, output, signal }: CommandContext,
  a: string,
  b: string,
  flags: VerifyFlags,
): Promise<number> {
  const option = flags.source !== undefined ? '--source' : flags.repair === true ? '--repair' : undefined
  if (option !== undefined) return usage(output, `${option} is for datasets, not for locations.`)
  let result: VerifyResult
  try {
    result = await stowage.verify(a, b, { signal })
  } catch (error) {
    output.error(error)
    return syncExitCode(error)
  }
  const { same, different, onlyA, onlyB, failed } = result.objects
  for (const warning of result.warnings) output.note(`left out: ${printable(warning)}`)
  for (const { kind, key, message } of result.differences)
    output.note(`${kind}: ${printable(key)} (${printable(message)})`)
  const identical = result.status === 'same'
  const counts = `${same} same, ${different} different, ${onlyA} only in A, ${onlyB} only in B, ${failed} unreadable`
  const read = `${formatBytes(result.bytes)} read in ${formatSeconds(result.seconds)}`
  output.result({ ...result, identical }, `${identical ? 'identical' : 'different'}: ${counts}; ${read}`)
  return identical ? exitCodes.done : exitCodes.failed
}

async function verifyDataset(
  { stowage, output, signal }: CommandContext,
  text: string,
  flags: VerifyFlags,
): Promise<number> {
  if (text.includes(':')) return usage(output, `"${text}" is a location; name the one to compare it with, too.`)
  const { datasets } = stowage.as({ userId: 'local', userType: 'internal' })
  const [, name, number] = /^(.+)@(\d+)$/.exec(text) ?? []
  const version = number === undefined ? {} : { version: Number(number) }
  if (flags.source !== undefined) stowage.sources.get(flags.source)
  const { id } = await datasets.get(name ?? text)
  const bar = output.bar()
  const meter = new RateMeter(Date.now())
  let seen = 0
  const result = await stowage
    .verifyDataset(id, {
      ...version,
      ...(flags.source === undefined ? {} : { sourceId: flags.source }),
      repair: flags.repair === true,
      signal,
      onProgress: ({ files, bytes, totalBytes }) => {
        meter.add(bytes - seen)
        seen = bytes
        const rate = meter.sample(Date.now())
        const left = rate > 0 && totalBytes > bytes ? { secondsLeft: (totalBytes - bytes) / rate } : {}
        bar.update({
          label: 'verify',
          files,
          bytes,
          totalBytes: Math.max(bytes, totalBytes),
          open: true,
          percent: (100 * bytes) / Math.max(1, bytes, totalBytes),
          rate,
          ...left,
        })
      },
    })
    .finally(() => bar.stop())
  for (const finding of result.findings) output.note(describeFinding(finding))
  output.result(result, describeVerification(result))
  return result.clean ? exitCodes.done : exitCodes.failed
}

async function runScrub(
  { stowage, output, signal }: CommandContext,
  flags: { source?: string; budget?: number; repair: boolean },
): Promise<number> {
  if (flags.source !== undefined) stowage.sources.get(flags.source)
  const result = await stowage.scrub({
    signal,
    repair: flags.repair,
    ...(flags.source === undefined ? {} : { sourceId: flags.source }),
    ...(flags.budget === undefined ? {} : { budget: flags.budget }),
  })
  for (const finding of result.findings) output.note(describeFinding(finding))
  for (const { sourceId, code, message } of result.problems)
    output.note(`not read: ${sourceId} [${code}] ${printable(message)}`)
  for (const { sourceId, days } of result.behind)
    output.note(`warning: at this budget each byte of ${sourceId} takes ${days} days`)
  output.result(result, describeRun(result))
  return result.bad > result.mended ? exitCodes.failed : exitCodes.done
}

function usage(output: Output, message: string): number {
  const error = new StowageError('configuration', message, { hint: 'See stowage verify --help.' })
  output.error(error)
  return exitCodeOf(error)
}

function describeFinding({ kind, name, sourceId, version, message, mended, lost }: ScrubFinding): string {
  const end = mended ? 'mended' : lost ? 'no good copy is left' : kind === 'unread' ? 'not read' : 'bad'
  return `${end}: ${printable(name)} of version ${version} on ${sourceId} [${kind}] ${printable(message)}`
}

function counted({ files, bytes, bad, mended, unread }: ScrubResult | DatasetVerification): string {
  const left = unread === 0 ? '' : `, ${unread} not read`
  return `${files} files, ${formatBytes(bytes)} read, ${bad} bad, ${mended} mended${left}`
}

function describeVerification(result: DatasetVerification): string {
  const sources = result.replicas.map(({ sourceId }) => sourceId).join(', ')
  return `${result.clean ? 'clean' : 'damaged'}: ${counted(result)} in ${formatSeconds(result.seconds)} (${sources})`
}

function describeRun(result: ScrubResult): string {
  const spent = result.spent.length === 0 ? '' : `; the budget of this hour is spent on ${result.spent.join(', ')}`
  return `${counted(result)} in ${formatSeconds(result.seconds)}${spent}`
}

/** Scrubs of places, one a line. */
export function describeScrubs(scrubs: readonly ScrubStatus[]): string {
  const date = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ')
  const rows = scrubs.map(({ datasetId, sourceId, versions, last, running, problem, damaged }) => [
    datasetId,
    sourceId,
    versions.length === 1 ? String(versions[0]) : `${versions[0]}-${versions.at(-1)}`,
    last === null ? 'never' : date(last.endedAt),
    last === null ? '' : `${last.files} files, ${last.bad} bad, ${last.mended} mended`,
    damaged === 0 ? '' : `${damaged} damaged`,
    problem === null ? (running === null ? '' : `running: ${formatBytes(running.bytes)}`) : printable(problem.message),
  ])
  return formatTable(['DATASET', 'SOURCE', 'VERSIONS', 'LAST SCRUB', '', '', ''], rows)
}
