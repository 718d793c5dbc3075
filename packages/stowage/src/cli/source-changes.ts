import { type SourceType, StowageError } from '@stowage/core'
import type { Command } from 'commander'
import type { Stowage } from '../app/stowage.ts'
import type { SourceConfig } from '../config/index.ts'
import type { SourceUpdate } from '../sources/index.ts'
import { type CredentialFlags, credentialOptions, readCredentials } from './credential-options.ts'
import { exitCodes } from './exit-codes.ts'
import { printable } from './format.ts'
import type { Io } from './output.ts'
import { type CommonOptions, common, withStowage } from './run.ts'
import { fieldsOf, type SourceFlags, sourceFieldOptions, typeOption } from './source-fields.ts'

type ChangeFlags = CommonOptions & CredentialFlags & SourceFlags & { test?: boolean }

/** `stowage source add|update|enable|disable|remove|rotate|rewrap`: the sources of the catalog. */
export function addSourceChanges(source: Command, io: Io, done: (code: number) => void): void {
  const add = source
    .command('add <id>')
    .description('add a source to the catalog, while others run')
    .addOption(typeOption())
  common(credentialOptions(sourceFieldOptions(add)))
    .option('--disabled', 'add it without letting routing choose it yet')
    .option('--test', 'add it only if it can serve')
    .action(async (id: string, flags: ChangeFlags & { type: SourceType; disabled?: boolean }) => {
      done(
        await withStowage(io, flags, async ({ stowage, output, signal }) => {
          const config: SourceConfig = {
            id,
            type: flags.type,
            ...(flags.disabled === true ? { enabled: false } : {}),
            ...fieldsOf(flags),
            ...(await readCredentials(flags, io)),
          }
          if (flags.test === true) await tryOut(stowage, config, signal)
          output.result(await stowage.sources.add(config), `added ${id}`)
          return exitCodes.done
        }),
      )
    })

  const update = source.command('update <id>').description('change a source of the catalog; what is not named stays')
  common(credentialOptions(sourceFieldOptions(update))).action(async (id: string, flags: ChangeFlags) => {
    done(
      await withStowage(io, flags, async ({ stowage, output }) => {
        const changes: SourceUpdate = { ...fieldsOf(flags), ...(await readCredentials(flags, io)) }
        output.result(await stowage.sources.update(id, changes), `changed ${id}`)
        return exitCodes.done
      }),
    )
  })

  for (const [name, what, past] of [
    ['enable', 'let routing choose a source again', 'enabled'],
    ['disable', 'keep routing from choosing a source', 'disabled'],
  ] as const) {
    common(source.command(`${name} <id>`).description(what)).action(async (id: string, flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          output.result(await stowage.sources[name](id), `${past} ${id}`)
          return exitCodes.done
        }),
      )
    })
  }

  common(
    source.command('remove <id>').description('take a source that nothing lies on out of the catalog; its bytes stay'),
  ).action(async (id: string, flags: CommonOptions) => {
    done(
      await withStowage(io, flags, async ({ stowage, output }) => {
        const known = stowage.sources.list().some((source) => source.id === id)
        await stowage.sources.remove(id)
        output.result({ id, removed: known }, known ? `removed ${id}` : `there is no source ${printable(id)}`)
        return exitCodes.done
      }),
    )
  })

  common(
    credentialOptions(
      source
        .command('rotate <id>')
        .description('exchange the credentials of a source: stage new ones, test them, promote them'),
    ),
  )
    .option('--test', 'ask the source whether it takes the staged ones')
    .option('--promote', 'use the staged ones from now on')
    .option('--forget', 'forget the staged ones')
    .action(async (id: string, flags: ChangeFlags & { promote?: boolean; forget?: boolean }) => {
      done(
        await withStowage(io, flags, ({ stowage, output, signal }) =>
          rotate(id, flags, io, { stowage, output, signal }),
        ),
      )
    })

  common(source.command('rewrap').description('seal all credentials under the newest master key')).action(
    async (flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output, signal }) => {
          const result = await stowage.sources.rewrap(signal)
          const failed = result.failed.map((one) => `\nfailed: ${one.sourceId} [${one.code}] ${one.message}`)
          output.result(result, `${result.rewrapped} wrapped anew, ${result.current} were already${failed.join('')}`)
          return result.failed.length === 0 ? exitCodes.done : exitCodes.failed
        }),
      )
    },
  )
}

async function rotate(
  id: string,
  flags: ChangeFlags & { promote?: boolean; forget?: boolean },
  io: Io,
  { stowage, output, signal }: Parameters<Parameters<typeof withStowage>[2]>[0],
): Promise<number> {
  const credentials = await readCredentials(flags, io)
  const { sources } = stowage
  const asked = credentials !== undefined || flags.test === true || flags.promote === true || flags.forget === true
  if (
    !asked ||
    (flags.forget === true && (credentials !== undefined || flags.promote === true || flags.test === true))
  ) {
    throw new StowageError('configuration', 'Nothing to do, or two things that exclude each other.', {
      field: 'rotate',
      hint: 'Give the new credentials, and --test and --promote in the same call or later; or --forget.',
    })
  }
  let view = sources.get(id)
  if (flags.forget === true) view = await sources.stageCredentials(id, null)
  if (credentials !== undefined) view = await sources.stageCredentials(id, credentials)
  if (flags.test === true) {
    const { ok, error } = await sources.probeNext(id, signal)
    if (!ok && error !== undefined) throw error
  }
  if (flags.promote === true) view = await sources.promoteCredentials(id)
  const what = flags.promote === true ? 'promoted' : flags.forget === true ? 'forgotten' : 'staged'
  output.result(
    view,
    `next credentials of ${id}: ${credentials === undefined && what === 'staged' ? 'they work' : what}`,
  )
  return exitCodes.done
}

/** @throws StowageError what the probe found; nothing was added */
async function tryOut(stowage: Stowage, config: SourceConfig, signal: AbortSignal): Promise<void> {
  const { ok, error } = await stowage.sources.tryOut(config, signal)
  if (!ok && error !== undefined) throw error
}
