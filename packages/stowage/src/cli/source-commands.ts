import { ailment } from '@stowage/router'
import type { Command } from 'commander'
import type { SourceView } from '../sources/index.ts'
import { addDoctorCommand } from './doctor-command.ts'
import { exitCodes } from './exit-codes.ts'
import { formatTable } from './format.ts'
import type { Io, Output } from './output.ts'
import { type CommonOptions, common, withStowage } from './run.ts'
import { addSourceChanges } from './source-changes.ts'

/** `stowage source …`. */
export function addSourceCommands(program: Command, io: Io, done: (code: number) => void): void {
  const source = program.command('source').description('sources and their health')

  common(source.command('list').description('the sources of the configuration and of the catalog')).action(
    async (flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          await stowage.sources.freshHealth()
          showSources(output, stowage.sources.list())
          return exitCodes.done
        }),
      )
    },
  )

  common(
    source.command('test [ids...]').description('ask sources whether they can serve (all when none is named)'),
  ).action(async (ids: string[], flags: CommonOptions) => {
    done(
      await withStowage(io, flags, async ({ stowage, output, signal }) => {
        const wanted =
          ids.length > 0 ? ids.map((id) => stowage.sources.get(id).id) : stowage.sources.list().map((s) => s.id)
        const results = await Promise.all(
          wanted.map(async (id) => {
            const { ok, latencyMs, error, writable } = await stowage.sources.probe(id, signal)
            return {
              id,
              ok,
              latencyMs: Math.round(latencyMs * 10) / 10,
              ...(writable === undefined ? {} : { writable }),
              ...(error === undefined ? {} : { error: error.toJSON() }),
            }
          }),
        )
        const rows = results.map((r) => [
          r.id,
          r.ok ? 'ok' : `error [${r.error?.code}]`,
          r.ok
            ? `${r.latencyMs} ms${r.writable === false ? ', cannot be written' : ''}`
            : [r.error?.message, r.error?.hint].filter(Boolean).join(' '),
        ])
        output.result(results, formatTable(['ID', 'STATUS', 'DETAIL'], rows))
        return results.every((r) => r.ok) ? exitCodes.done : exitCodes.failed
      }),
    )
  })

  addDoctorCommand(source, io, done)
  addSourceChanges(source, io, done)
}

function showSources(output: Output, sources: readonly SourceView[]): void {
  const rows = sources.map((s) => [
    s.id,
    s.type,
    s.origin,
    s.status,
    ailment(s.health) || '-',
    s.lastHealthCheckAt === undefined ? '-' : new Date(s.lastHealthCheckAt).toISOString(),
    s.region ?? '-',
    s.isPublic ? 'yes' : 'no',
    String(s.priority),
    s.hasNextCredentials ? 'yes, next too' : s.hasCredentials ? 'yes' : 'no',
    s.endpoint ?? '-',
    s.bucket ?? '-',
  ])
  const header = [
    'ID',
    'TYPE',
    'ORIGIN',
    'STATUS',
    'HEALTH',
    'CHECKED',
    'REGION',
    'PUBLIC',
    'PRIORITY',
    'KEYS',
    'ENDPOINT',
    'BUCKET',
  ]
  output.result(sources, formatTable(header, rows))
}
