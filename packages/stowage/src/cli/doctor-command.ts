import type { Command } from 'commander'
import type { SourceDiagnosis } from '../sources/index.ts'
import { exitCodes } from './exit-codes.ts'
import { formatTable } from './format.ts'
import type { Io } from './output.ts'
import { type CommonOptions, common, withStowage } from './run.ts'

/** `stowage source doctor`. */
export function addDoctorCommand(source: Command, io: Io, done: (code: number) => void): void {
  common(
    source
      .command('doctor [ids...]')
      .description('look at the set-up of sources: rights, region, clock, lifecycle, disk (all when none is named)'),
  ).action(async (ids: string[], flags: CommonOptions) => {
    done(
      await withStowage(io, flags, async ({ stowage, output, signal }) => {
        const wanted =
          ids.length > 0 ? ids.map((id) => stowage.sources.get(id).id) : stowage.sources.list().map((s) => s.id)
        const found = await Promise.all(wanted.map((id) => stowage.sources.doctor(id, { signal })))
        output.result(found, found.map(shown).join('\n\n'))
        return found.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed
      }),
    )
  })
}

function shown({ id, findings, policy }: SourceDiagnosis): string {
  const rows = findings.map(({ severity, code, message, hint }) => [
    severity,
    code,
    hint === undefined ? message : `${message} ${hint}`,
  ])
  const table = `${id}\n${formatTable(['', 'CODE', 'FOUND'], rows)}`
  // Of use to who lacks a right; to the others it is noise.
  const lacks = findings.some(({ severity, code }) => severity !== 'ok' && code.startsWith('permission-'))
  if (policy === undefined || !lacks) return table
  return `${table}\n\nThe least policy that would do:\n${JSON.stringify(policy, undefined, 2)}`
}
