import { resolve } from 'node:path'
import { StowageError } from '@stowage/core'
import type { Command } from 'commander'
import type { Datasets } from '../datasets/index.ts'
import { print, writeTo } from './byte-output.ts'
import { exitCodes } from './exit-codes.ts'
import { formatBytes } from './format.ts'
import type { Io, Output } from './output.ts'
import { parseBytes, parseCount } from './parse.ts'
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

interface AccessFlags extends CommonOptions, ActorOptions, VersionFlags {
  mode: string
  node?: string
  expires?: number
  prefix?: string
  after?: string
  limit?: number
  output?: string
}

interface MaterializeFlags extends CommonOptions, ActorOptions, VersionFlags {
  node?: string
  cache?: string
  maxCache?: number
  prefix?: string
  mount?: boolean
  copy?: boolean
  verifyAll?: boolean
  repair?: boolean
  concurrency?: number
}

/** `stowage dataset access|materialize`. */
export function addAccessCommands(dataset: Command, io: Io, done: (code: number) => void): void {
  versionOption(
    asActor(
      common(
        dataset
          .command('access <name> [path]')
          .description('ordered ways to a file, or to all files of a version, for other programs'),
      ),
    ),
  )
    .option('--mode <mode>', 'url, stream, mount or manifest', 'url')
    .option('--node <id>', 'the node that will read, one of routing.nodes')
    .option('--expires <seconds>', 'how long URLs stay valid', parseCount)
    .option('--prefix <prefix>', 'manifest: only files whose paths begin with this')
    .option('--after <path>', 'manifest: only files whose paths come after this one')
    .option('--limit <n>', 'manifest: files, at most', parseCount)
    .option('--output <file>', 'stream, manifest: write it there instead of on stdout')
    .action(async (name: string, path: string | undefined, flags: AccessFlags) =>
      done(await withStowage(io, flags, (context) => showAccess(context, name, path, flags))),
    )

  versionOption(
    asActor(
      common(
        dataset
          .command('materialize <name> <directory>')
          .description('make a version into a folder, by way of a cache'),
      ),
    ),
  )
    .option('--node <id>', 'the node that this machine is, one of routing.nodes')
    .option('--cache <directory>', "where bytes are kept, each once (default: in the user's folder of caches)")
    .option('--max-cache <bytes>', 'limit of the cache, such as 500G', parseBytes)
    .option('--prefix <prefix>', 'only files whose paths begin with this')
    .option('--mount', 'symbolic links to the files of a source that is mounted here')
    .option('--copy', 'copies that may be written to, instead of hard links')
    .option('--verify-all', 'read everything that is there already against its digest')
    .option('--repair', 'replace files of the folder that were changed')
    .option('--concurrency <n>', 'files at once', parseCount)
    .action(async (name: string, directory: string, flags: MaterializeFlags) =>
      done(await withStowage(io, flags, (context) => runMaterialize(context, name, directory, flags))),
    )
}

async function showAccess(
  { stowage, output, signal }: CommandContext,
  name: string,
  path: string | undefined,
  flags: AccessFlags,
): Promise<number> {
  const { datasets } = stowage.as(actorOf(flags))
  const { id } = await datasets.get(name)
  const asked = {
    signal,
    ...versionOf(flags),
    ...(flags.node === undefined ? {} : { node: flags.node }),
  }
  const expires = flags.expires === undefined ? {} : { expiresIn: flags.expires }
  if (flags.mode === 'manifest') return showManifest(datasets, output, id, flags, { ...asked, ...expires })
  if (flags.mode === 'mount' && path === undefined) {
    const access = await datasets.access(id, { ...asked, mode: 'mount' })
    for (const { sourceId, reason } of access.without) output.note(`not from ${sourceId}: ${reason}`)
    output.result(access, access.alternatives.map((a) => `${a.sourceId}\t${a.mountPath}`).join('\n'))
    return exitCodes.done
  }
  if (flags.mode !== 'url' && flags.mode !== 'mount' && flags.mode !== 'stream') {
    throw new StowageError('configuration', `--mode is "${flags.mode}".`, {
      field: '--mode',
      hint: 'Use url, stream, mount or manifest; "stowage dataset get" downloads.',
    })
  }
  if (path === undefined) {
    throw new StowageError(
      'configuration',
      flags.mode === 'stream' ? 'A stream is that of one file.' : 'URLs are those of one file.',
      {
        field: 'path',
        hint: 'Name its path, or use --mode manifest.',
      },
    )
  }
  if (flags.mode === 'stream') return showStream(datasets, output, id, flags, { ...asked, path })
  const access = await datasets.access(id, { ...asked, ...expires, mode: flags.mode, path })
  for (const { sourceId, reason } of access.without) output.note(`not from ${sourceId}: ${reason}`)
  output.result(access, access.alternatives.map((a) => `${a.sourceId}\t${a.url ?? a.mountPath}`).join('\n'))
  return exitCodes.done
}

/** The bytes of a file and nothing else on stdout, or in a file. */
async function showStream(
  datasets: Datasets,
  output: Output,
  id: string,
  flags: AccessFlags,
  asked: { path: string; version?: number; node?: string; signal: AbortSignal },
): Promise<number> {
  if (output.json && flags.output === undefined) {
    throw new StowageError('configuration', 'The bytes of a file are no JSON.', {
      field: '--json',
      hint: 'Leave --json out, or write them to a file with --output.',
    })
  }
  const { file: reading, ...told } = await datasets.access(id, { ...asked, mode: 'stream' })
  const { stream, failovers } = reading
  try {
    if (flags.output === undefined) {
      await print(stream, output.io, asked.signal)
      return exitCodes.done
    }
    const file = resolve(output.io.cwd, flags.output)
    await writeTo(stream, file, 0o666, asked.signal)
    output.result({ ...told, failovers, output: file }, `version ${told.version}: ${file}`)
    return exitCodes.done
  } finally {
    stream.destroy()
    for (const { from, to, offset, code } of failovers) {
      output.note(`went on from ${to} at byte ${offset}: ${from} failed [${code}]`)
    }
  }
}

async function showManifest(
  datasets: Datasets,
  output: Output,
  id: string,
  flags: AccessFlags,
  asked: { version?: number; node?: string; expiresIn?: number; signal: AbortSignal },
): Promise<number> {
  if (output.json && flags.output === undefined) {
    throw new StowageError('configuration', 'The manifest is many lines of JSON, and no one document.', {
      field: '--json',
      hint: 'Leave --json out, or write it to a file with --output.',
    })
  }
  const access = await datasets.access(id, {
    ...asked,
    mode: 'manifest',
    ...(flags.prefix === undefined ? {} : { prefix: flags.prefix }),
    ...(flags.after === undefined ? {} : { after: flags.after }),
    ...(flags.limit === undefined ? {} : { limit: flags.limit }),
  })
  const { stream, ...told } = access
  for (const { sourceId, reason } of access.without) output.note(`not from ${sourceId}: ${reason}`)
  if (flags.output === undefined) {
    await print(stream, output.io, asked.signal)
    return exitCodes.done
  }
  const file = resolve(output.io.cwd, flags.output)
  // Whoever has it can read the dataset.
  await writeTo(stream, file, 0o600, asked.signal)
  output.result({ ...told, output: file }, `version ${access.version}: ${file}`)
  return exitCodes.done
}

async function runMaterialize(
  { stowage, output, signal }: CommandContext,
  name: string,
  directory: string,
  flags: MaterializeFlags,
): Promise<number> {
  const { datasets } = stowage.as(actorOf(flags))
  const { id } = await datasets.get(name)
  const bar = output.bar()
  const result = await datasets
    .materialize(id, {
      dir: resolve(output.io.cwd, directory),
      signal,
      ...versionOf(flags),
      ...(flags.node === undefined ? {} : { node: flags.node }),
      ...(flags.cache === undefined ? {} : { cacheDir: resolve(output.io.cwd, flags.cache) }),
      ...(flags.maxCache === undefined ? {} : { maxCacheBytes: flags.maxCache }),
      ...(flags.prefix === undefined ? {} : { prefix: flags.prefix }),
      ...(flags.mount === true ? { from: 'mount' as const } : {}),
      ...(flags.copy === true ? { link: 'copy' as const } : {}),
      ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
      verify: flags.verifyAll === true,
      repair: flags.repair === true,
      onProgress: (p) =>
        bar.update({
          label: 'files',
          files: p.files,
          bytes: p.bytes,
          totalBytes: p.totalBytes ?? p.bytes,
          open: p.totalBytes === undefined,
          rate: p.rate,
        }),
    })
    .finally(() => bar.stop())
  const { version, files, bytes, present, reused, fetched, fetchedBytes, evictedBytes } = result
  const evicted = evictedBytes === 0 ? '' : `; ${formatBytes(evictedBytes)} dropped from the cache`
  output.result(
    result,
    `version ${version}: ${files} files, ${formatBytes(bytes)} in ${result.dir}; ` +
      `${present} were there, ${reused} in the cache, ${fetched} (${formatBytes(fetchedBytes)}) fetched${evicted}`,
  )
  return exitCodes.done
}
