import { resolve } from 'node:path'
import type { UploadProgress } from '@stowage/core'
import type { Command } from 'commander'
import type { DatasetView, Uploaded } from '../datasets/index.ts'
import type { Replication } from '../policies/index.ts'
import { addAccessCommands } from './access-commands.ts'
import { addNearCommands } from './cache-commands.ts'
import { exitCodes } from './exit-codes.ts'
import { formatBytes, formatTable, printable } from './format.ts'
import type { Io } from './output.ts'
import { collect, parseCount } from './parse.ts'
import { ofSync, type ProgressBar, shownPercent } from './progress-bar.ts'
import {
  type ActorOptions,
  actorOf,
  asActor,
  type CommandContext,
  type CommonOptions,
  common,
  withStowage,
} from './run.ts'
import { statusExitCode } from './sync-commands.ts'
import { addUploadCommands } from './upload-commands.ts'
import { describeScrubs } from './verify-commands.ts'
import { type VersionFlags, versionOf, versionOption } from './version-option.ts'

type Flags<T = object> = CommonOptions & ActorOptions & T
type PutFlags = Flags<{ message?: string; draft?: string; replace?: boolean; concurrency?: number; sync: boolean }>

/** `stowage dataset create|put|get|list|show|url|access|materialize|ensure|pin|unpin|sign|accept|sweep`. */
export function addDatasetCommands(program: Command, io: Io, done: (code: number) => void): void {
  const dataset = program.command('dataset').description('datasets: upload, read, share')
  const run = async (flags: CommonOptions, action: (context: CommandContext) => Promise<number>) =>
    done(await withStowage(io, flags, action))

  asActor(common(dataset.command('create <name>').description('make a dataset, empty at first')))
    .option('--description <text>', 'what it is')
    .option('--tag <tag>', 'a tag (may be given several times)', collect)
    .action((name: string, flags: Flags<{ description?: string; tag?: string[] }>) =>
      run(flags, async ({ stowage, output }) => {
        const created = await stowage.as(actorOf(flags)).datasets.create({
          name,
          ...(flags.description === undefined ? {} : { description: flags.description }),
          ...(flags.tag === undefined ? {} : { tags: flags.tag }),
        })
        output.result(await created.show(), `created ${printable(name)} (${created.id})`)
        return exitCodes.done
      }),
    )

  asActor(
    common(
      dataset.command('put <name> <path>').description('upload a folder or a file and publish it as the next version'),
    ),
  )
    .option('--message <text>', 'what the version is about')
    .option('--draft <id>', 'go on with an upload that was stopped')
    .option('--replace', 'the version holds only what is uploaded now')
    .option('--concurrency <n>', 'transfers at once', parseCount)
    .option('--no-sync', 'leave the policies on publish to a worker')
    .action((name: string, path: string, flags: PutFlags) => run(flags, (context) => put(context, name, path, flags)))

  versionOption(asActor(common(dataset.command('get <name> <directory>').description('download a version'))))
    .option('--concurrency <n>', 'files at once', parseCount)
    .action((name: string, directory: string, flags: Flags<VersionFlags & { concurrency?: number }>) =>
      run(flags, async ({ stowage, output, signal }) => {
        const { datasets } = stowage.as(actorOf(flags))
        const bar = output.bar()
        const handle = await datasets.get(name)
        const result = await datasets
          .download(handle.id, resolve(output.io.cwd, directory), {
            signal,
            ...versionOf(flags),
            ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
            onProgress: (p) =>
              bar.update({
                label: 'download',
                files: p.files,
                bytes: p.bytes,
                totalBytes: p.totalBytes,
                open: false,
                rate: p.rate,
                ...(p.secondsLeft === undefined ? {} : { secondsLeft: p.secondsLeft }),
              }),
          })
          .finally(() => bar.stop())
        const moved = result.failovers === 0 ? '' : `, ${result.failovers} reads went on from another source`
        output.result(
          result,
          `version ${result.version}: ${result.files} files, ${formatBytes(result.bytes)}, digests verified${moved}`,
        )
        return exitCodes.done
      }),
    )

  asActor(common(dataset.command('list').description('datasets, newest first'))).action((flags: Flags) =>
    run(flags, async ({ stowage, output }) => {
      const all = await stowage.as(actorOf(flags)).datasets.list()
      const rows = all.map((d) => [
        d.id,
        printable(d.name),
        d.userId,
        String(d.version),
        String(d.fileCount),
        formatBytes(d.size),
      ])
      output.result(all, formatTable(['ID', 'NAME', 'OWNER', 'VERSION', 'FILES', 'SIZE'], rows))
      return exitCodes.done
    }),
  )

  asActor(common(dataset.command('show <name>').description('versions, replicas and status'))).action(
    (name: string, flags: Flags) =>
      run(flags, async ({ stowage, output }) => {
        const handle = await stowage.as(actorOf(flags)).datasets.get(name)
        const view = await handle.show()
        const versions = await handle.versions()
        output.result({ ...view, versions }, describeDataset(view))
        return exitCodes.done
      }),
  )

  versionOption(
    asActor(common(dataset.command('url <name> <path>').description('presigned URLs of a file, best first'))),
  )
    .option('--expires <seconds>', 'how long they stay valid', parseCount, 3600)
    .option('--mount', 'paths on this machine instead')
    .action((name: string, path: string, flags: Flags<VersionFlags & { expires: number; mount?: boolean }>) =>
      run(flags, async ({ stowage, output, signal }) => {
        const { datasets } = stowage.as(actorOf(flags))
        const handle = await datasets.get(name)
        const access = await datasets.access(handle.id, {
          mode: flags.mount === true ? 'mount' : 'url',
          path,
          expiresIn: flags.expires,
          signal,
          ...versionOf(flags),
        })
        for (const { sourceId, reason } of access.without) output.note(`not from ${sourceId}: ${reason}`)
        output.result(access, access.alternatives.map((a) => `${a.sourceId}\t${a.url ?? a.mountPath}`).join('\n'))
        return exitCodes.done
      }),
    )

  addAccessCommands(dataset, io, done)
  addNearCommands(dataset, io, done)
  addUploadCommands(dataset, io, done)
}

async function put(
  { stowage, output, signal }: CommandContext,
  name: string,
  path: string,
  flags: PutFlags,
): Promise<number> {
  const handle = await stowage.as(actorOf(flags)).datasets.get(name)
  const bar = output.bar()
  const uploaded = await handle
    .upload(resolve(output.io.cwd, path), {
      signal,
      ...(flags.message === undefined ? {} : { message: flags.message }),
      resume: true,
      ...(flags.draft === undefined ? {} : { draft: flags.draft }),
      ...(flags.replace === undefined ? {} : { replace: flags.replace }),
      ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
      onProgress: (p) => drawUpload(bar, p),
    })
    .finally(() => bar.stop())
  for (const { path: one, other } of uploaded.collisions)
    output.note(`warning: "${printable(one)}" and "${printable(other)}" collide on disks that ignore case`)
  for (const left of uploaded.ignored) output.note(`note: ${printable(left)}`)
  const replications: Replication[] = flags.sync ? await runPolicies(stowage, bar, signal) : []
  for (const { status, error, errors, policyId, version, to } of replications) {
    if (status !== 'failed') continue
    const why = error === undefined ? '' : `: [${error.code}] ${printable(error.message)}`
    output.note(`warning: policy "${policyId}" could not bring version ${version} to ${to}${why}`)
    output.failures(errors)
  }
  const { decision, ...rest } = uploaded
  output.result({ ...rest, decision, replications }, describeUpload(uploaded, replications))
  if (flags.sync && signal.aborted) {
    output.note(`version ${uploaded.version.number} is published; its sync goes on with the next "dataset put"`)
    return exitCodes.stopped
  }
  // What still waits of other datasets is told, and is no failure of this command.
  const own = replications.filter((r) => r.datasetId === handle.id && r.version === uploaded.version.number)
  return Math.max(exitCodes.done, ...own.map((r) => statusExitCode(r.status)))
}

async function runPolicies(
  stowage: CommandContext['stowage'],
  bar: ProgressBar,
  signal: AbortSignal,
): Promise<Replication[]> {
  try {
    return await stowage.runPolicies({
      signal,
      onProgress: (p) => bar.update(ofSync(p, 'sync')),
    })
  } finally {
    bar.stop()
  }
}

function drawUpload(bar: ProgressBar, p: UploadProgress): void {
  const left = p.secondsLeft === undefined ? {} : { secondsLeft: p.secondsLeft }
  bar.update({
    label: 'upload',
    files: p.files,
    bytes: p.bytes,
    totalBytes: p.totalBytes,
    open: !p.listingDone,
    ...shownPercent(p),
    rate: p.rate,
    ...left,
  })
}

function describeUpload(uploaded: Uploaded, replications: readonly Replication[]): string {
  const { version, sourceId } = uploaded
  const lines = [
    `published version ${version.number}: ${version.fileCount} files, ${formatBytes(version.size)} on ${sourceId}`,
  ]
  for (const r of replications)
    lines.push(
      `${r.from ?? '-'} -> ${r.to}: ${r.status}, ${r.objects.copied} copied, ${formatBytes(r.bytes.transferred)}${r.taskId === undefined ? '' : ` (task ${r.taskId})`}`,
    )
  return lines.join('\n')
}

function describeDataset(view: DatasetView): string {
  const head = [
    `${printable(view.name)} (${view.id})`,
    `status ${view.status}, version ${view.version}, ${view.fileCount} files, ${formatBytes(view.size)}, owner ${view.userId}`,
  ]
  const rows = view.replicas.map((r) => [
    String(r.version),
    r.sourceId,
    r.status,
    r.isPrimary ? 'primary' : '',
    r.path,
    printable(r.errorMessage ?? ''),
  ])
  const scrubbed = view.scrubs.some(({ last, damaged }) => last !== null || damaged > 0)
  return [
    ...head,
    formatTable(['VERSION', 'SOURCE', 'STATUS', '', 'PATH', ''], rows),
    ...(scrubbed ? [describeScrubs(view.scrubs)] : []),
  ].join('\n')
}
