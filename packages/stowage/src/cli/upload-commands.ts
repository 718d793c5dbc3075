import type { Command } from 'commander'
import type { SignedUpload } from '../datasets/index.ts'
import { exitCodes } from './exit-codes.ts'
import { formatBytes, printable } from './format.ts'
import type { Io } from './output.ts'
import { parseBytes, parseCount, parseDuration } from './parse.ts'
import {
  type ActorOptions,
  actorOf,
  asActor,
  type CommandContext,
  type CommonOptions,
  common,
  withStowage,
} from './run.ts'

type Flags<T = object> = CommonOptions & ActorOptions & T
type SignFlags = Flags<{ size: number; digest: string; draft?: string; contentType?: string; expires: number }>
type AcceptFlags = Flags<{ draft: string; publish?: boolean; message?: string }>

/** `stowage dataset sign|accept|sweep`: uploads by programs without credentials, and what uploads leave behind. */
export function addUploadCommands(dataset: Command, io: Io, done: (code: number) => void): void {
  const run = async (flags: CommonOptions, action: (context: CommandContext) => Promise<number>) =>
    done(await withStowage(io, flags, action))

  asActor(
    common(dataset.command('sign <name> <path>').description('URLs by which a file can be sent without credentials')),
  )
    .requiredOption('--size <bytes>', 'its size', parseBytes)
    .requiredOption('--digest <hex>', 'its SHA-256; above 8 MiB the SHA-256 of those of every 8 MiB')
    .option('--draft <id>', 'the draft it goes to (default: a new one)')
    .option('--content-type <type>', 'what it is (default: by its extension)')
    .option('--expires <seconds>', 'how long the URLs stay valid', parseCount, 3600)
    .action((name: string, path: string, flags: SignFlags) =>
      run(flags, async ({ stowage, output, signal }) => {
        const handle = await stowage.as(actorOf(flags)).datasets.get(name)
        const draft = flags.draft === undefined ? (await handle.draft()).draft : await handle.resumeDraft(flags.draft)
        const signed = await draft.signUpload(path, {
          size: flags.size,
          digest: flags.digest,
          expiresIn: flags.expires,
          signal,
          ...(flags.contentType === undefined ? {} : { contentType: flags.contentType }),
        })
        output.result({ draftId: draft.id, ...signed }, describe(draft.id, signed))
        return exitCodes.done
      }),
    )

  asActor(
    common(dataset.command('accept <name> <path>').description('take a file that was sent by URL into its draft')),
  )
    .requiredOption('--draft <id>', 'the draft it was signed for')
    .option('--publish', 'publish the draft then')
    .option('--message <text>', 'what the version is about')
    .action((name: string, path: string, flags: AcceptFlags) =>
      run(flags, async ({ stowage, output, signal }) => {
        const handle = await stowage.as(actorOf(flags)).datasets.get(name)
        const draft = await handle.resumeDraft(flags.draft)
        const file = await draft.acceptUpload(path, { signal })
        const said = `${printable(path)}: ${formatBytes(file.size)}, digest verified`
        if (flags.publish !== true) {
          output.result({ draftId: draft.id, file }, said)
          return exitCodes.done
        }
        const message = flags.message === undefined ? {} : { message: flags.message }
        const version = await handle.publish(draft, { signal, ...message })
        output.result({ draftId: draft.id, file, version }, `${said}; published version ${version.number}`)
        return exitCodes.done
      }),
    )

  common(dataset.command('sweep').description('throw away expired uploads and drafts that nobody goes on with'))
    .option('--older-than <seconds>', 'drafts that nobody added to for so long', parseDuration, 7 * 24 * 3600)
    .action((flags: CommonOptions & { olderThan: number }) =>
      run(flags, async ({ stowage, output, signal }) => {
        const swept = await stowage.sweepDrafts({ olderThan: flags.olderThan * 1000, signal })
        const { uploads, objects, drafts, failed } = swept
        for (const { draftId, error } of failed)
          output.note(`draft ${draftId}: [${error.code}] ${printable(error.message)}`)
        output.result(swept, `${drafts.length} drafts given up, ${uploads} uploads and ${objects} objects thrown away`)
        return failed.length > 0 ? exitCodes.failed : exitCodes.done
      }),
    )
}

/** How to send it, as a command that a shell takes. */
function describe(draftId: string, signed: SignedUpload): string {
  if (signed.kind === 'parts')
    return `draft ${draftId}\n${signed.partCount} parts of ${signed.partSize} bytes; --json gives their URLs`
  const headers = Object.entries(signed.request.headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`)
  return `draft ${draftId}\ncurl -f -T FILE ${[...headers, quote(signed.request.url)].join(' ')}`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
