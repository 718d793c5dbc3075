import type { Command } from 'commander'
import { exitCodes } from './exit-codes.ts'
import { formatTable } from './format.ts'
import type { Io } from './output.ts'
import { type CommonOptions, common, withStowage } from './run.ts'

/** `stowage source list|test`. */
export function addSourceCommands(program: Command, io: Io, done: (code: number) => void): void {
  const source = program.command('source').description('sources and their health')

  common(source.command('list').description('the sources that are configured')).action(async (flags: CommonOptions) => {
    done(
      await withStowage(io, flags, async ({ stowage, output }) => {
        const sources = stowage.sources.list()
        const rows = sources.map((s) => [
          s.id,
          s.type,
          s.region ?? '-',
          s.isPublic ? 'yes' : 'no',
          String(s.priority),
          s.status,
          s.endpoint ?? '-',
          s.bucket ?? '-',
        ])
        const header = ['ID', 'TYPE', 'REGION', 'PUBLIC', 'PRIORITY', 'STATUS', 'ENDPOINT', 'BUCKET']
        output.result(sources, formatTable(header, rows))
        return exitCodes.done
      }),
    )
  })

  common(
    source.command('test [ids...]').description('ask sources whether they can serve (all when none is named)'),
  ).action(async (ids: string[], flags: CommonOptions) => {
    done(
      await withStowage(io, flags, async ({ stowage, output, signal }) => {
        const wanted =
          ids.length > 0 ? ids.map((id) => stowage.sources.get(id).id) : stowage.sources.list().map((s) => s.id)
        const results = await Promise.all(
          wanted.map(async (id) => {
            const { ok, latencyMs, error } = await stowage.sources.probe(id, signal)
            return {
              id,
              ok,
              latencyMs: Math.round(latencyMs * 10) / 10,
              ...(error === undefined ? {} : { error: error.toJSON() }),
            }
          }),
        )
        const rows = results.map((r) => [
          r.id,
          r.ok ? 'ok' : `error [${r.error?.code}]`,
          r.ok ? `${r.latencyMs} ms` : [r.error?.message, r.error?.hint].filter(Boolean).join(' '),
        ])
        output.result(results, formatTable(['ID', 'STATUS', 'DETAIL'], rows))
        return results.every((r) => r.ok) ? exitCodes.done : exitCodes.failed
      }),
    )
  })
}
