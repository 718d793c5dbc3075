import type { Pin } from '@stowage/core'
import type { Command } from 'commander'
import type { CacheStatus, Evicted, Removed } from '../cache/index.ts'
import { exitCodes } from './exit-codes.ts'
import { formatBytes, formatTable, printable } from './format.ts'
import type { Io } from './output.ts'
import { parseDuration } from './parse.ts'
import { ofSync } from './progress-bar.ts'
import {
  type ActorOptions,
  actorOf,
  asActor,
  type CommandContext,
  type CommonOptions,
  common,
  withStowage,
} from './run.ts'
import { type VersionFlags, versionOf, versionOption } from './version-option.ts'

type EnsureFlags = CommonOptions & ActorOptions & VersionFlags & { source?: string; within?: number; deadline?: number }

type PinFlags = CommonOptions & ActorOptions & VersionFlags & { source?: string }

/** `stowage dataset ensure|pin|unpin`. */
export function addNearCommands(dataset: Command, io: Io, done: (code: number) => void): void {
  versionOption(
    asActor(
      common(dataset.command('ensure <name>').description('have a copy in a region or on a source, and wait for it')),
    ),
  )
    .option('--source <id>', 'where the copy is wanted, in place of --region')
    .option('--within <distance>', 'how far from the region is near enough', parseDistance)
    .option('--deadline <seconds>', 'wait so long at most; the copy goes on with a worker', parseDuration)
    .action(async (name: string, flags: EnsureFlags) => {
      done(await withStowage(io, flags, (context) => ensure(context, name, flags)))
    })

  for (const [command, what] of [
    ['pin', 'keep it from being evicted from caches'],
    ['unpin', 'take a pin back'],
  ] as const) {
    versionOption(asActor(common(dataset.command(`${command} <name>`).description(what))), 'only this version')
      .option('--source <id>', 'only on this source')
      .action(async (name: string, flags: PinFlags) => {
        done(await withStowage(io, flags, (context) => pin(context, command, name, flags)))
      })
  }
}

/** `stowage cache …`. */
export function addCacheCommands(program: Command, io: Io, done: (code: number) => void): void {
  const cache = program.command('cache').description('sources that keep what is read, and no more than fits')
  common(cache.command('status').description('how full they are, what leaves them next, and what is pinned')).action(
    async (flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          const status = await stowage.cacheStatus()
          output.result(status, describeStatus(status))
          return exitCodes.done
        }),
      )
    },
  )
  common(cache.command('evict').description('make room down to the low water mark, and remove what is on its way out'))
    .option('--source <id>', 'only this source')
    .action(async (flags: CommonOptions & { source?: string }) => {
      done(
        await withStowage(io, flags, async ({ stowage, output, signal }) => {
          const of = flags.source === undefined ? {} : { sourceId: stowage.sources.get(flags.source).id }
          const result = await stowage.evict({ ...of, now: true, signal })
          for (const { sourceId, version, error } of result.removals.failed) {
            output.note(
              `warning: version ${version} on ${sourceId} stays for now: [${error.code}] ${printable(error.message)}`,
            )
          }
          output.result(plain(result), describeEviction(result))
          return result.removals.failed.length === 0 ? exitCodes.done : exitCodes.failed
        }),
      )
    })
}

async function ensure(
  { stowage, output, signal }: CommandContext,
  name: string,
  { source, within, deadline, ...flags }: EnsureFlags,
): Promise<number> {
  const { datasets } = stowage.as(actorOf(flags))
  const { id } = await datasets.get(name)
  const bar = output.bar()
  const result = await datasets
    .ensureReplica(id, {
      signal,
      ...versionOf(flags),
      ...(source === undefined ? {} : { sourceId: source }),
      ...(within === undefined ? {} : { within }),
      ...(deadline === undefined ? {} : { deadlineMs: deadline * 1000 }),
      onProgress: (p) => bar.update(ofSync(p, 'copy')),
    })
    .finally(() => bar.stop())
  const { status, sourceId, version, wasThere } = result
  const how = wasThere ? 'was there already' : 'is there now'
  output.result(
    result,
    status === 'ready'
      ? `version ${version} ${how}, on ${sourceId}`
      : `version ${version} is on its way to ${sourceId}; a worker goes on with it, or the same command`,
  )
  return status === 'ready' ? exitCodes.done : exitCodes.stopped
}

async function pin(
  { stowage, output }: CommandContext,
  command: 'pin' | 'unpin',
  name: string,
  { source, ...flags }: PinFlags,
): Promise<number> {
  const { datasets } = stowage.as(actorOf(flags))
  const { id } = await datasets.get(name)
  const what = {
    ...versionOf(flags),
    ...(source === undefined ? {} : { sourceId: source }),
  }
  if (command === 'pin') {
    const made = await datasets.pin(id, what)
    output.result(made, `pinned ${describePin(made)}`)
    return exitCodes.done
  }
  const was = await datasets.unpin(id, what)
  output.result({ unpinned: was }, was ? `unpinned ${printable(name)}` : `${printable(name)} was not pinned so`)
  return exitCodes.done
}

function parseDistance(text: string): number {
  return text === '0' ? 0 : parseDuration(text)
}

function describePin({ datasetId, version, sourceId, pinnedBy }: Pin): string {
  const which = version === undefined ? 'all versions' : `version ${version}`
  return `${datasetId}, ${which}, on ${sourceId ?? 'all caches'}, by ${printable(pinnedBy)}`
}

function describeStatus({ caches, pins }: { caches: CacheStatus[]; pins: Pin[] }): string {
  if (caches.length === 0) return 'no source is a cache'
  const rows = caches.map(({ sourceId, bytes, leaving, replicas, settings }) => [
    sourceId,
    formatBytes(bytes),
    formatBytes(settings.capacity),
    `${Math.round((100 * bytes) / settings.capacity)}%`,
    formatBytes(settings.highWater),
    formatBytes(settings.lowWater),
    String(replicas),
    formatBytes(leaving),
  ])
  const lines = [formatTable(['CACHE', 'USED', 'CAPACITY', '', 'HIGH', 'LOW', 'REPLICAS', 'LEAVING'], rows)]
  const next = caches.flatMap(({ oldest }) =>
    oldest
      .slice(0, 5)
      .map(({ sourceId, datasetId, version, size, usedAt }) => [
        sourceId,
        datasetId,
        String(version),
        formatBytes(size),
        new Date(usedAt).toISOString(),
      ]),
  )
  if (next.length > 0) lines.push('', formatTable(['CACHE', 'DATASET', 'VERSION', 'SIZE', 'READ LAST'], next))
  const leaving = caches.flatMap(({ removals }) =>
    removals.map(({ sourceId, datasetId, version, notBefore, begun }) => [
      sourceId,
      datasetId,
      String(version),
      begun ? 'is going' : `not before ${new Date(notBefore).toISOString()}`,
    ]),
  )
  if (leaving.length > 0) lines.push('', formatTable(['CACHE', 'DATASET', 'VERSION', 'LEAVES'], leaving))
  if (pins.length > 0) lines.push('', ...pins.map((one) => `pinned: ${describePin(one)}`))
  return lines.join('\n')
}

function describeEviction({ caches, removals }: { caches: Evicted[]; removals: Removed }): string {
  const lines = caches.map(({ sourceId, marked, staying, lowWater, kept }) => {
    const stays = Object.entries(kept).flatMap(([why, count]) => (count === 0 ? [] : [`${count} ${why}`]))
    const above = staying > lowWater && stays.length > 0 ? `; stay: ${stays.join(', ')}` : ''
    return `${sourceId}: ${marked.length} marked, ${formatBytes(staying)} stay${above}`
  })
  const { removed, kept, waiting } = removals
  lines.push(`${removed.length} removed, ${waiting} wait for their time, ${kept.length} kept after all`)
  return lines.join('\n')
}

/** Errors as JSON shows them. */
function plain({ caches, removals }: { caches: Evicted[]; removals: Removed }): object {
  return {
    caches,
    removals: { ...removals, failed: removals.failed.map((one) => ({ ...one, error: one.error.toJSON() })) },
  }
}
