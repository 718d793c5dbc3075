import { StowageError } from '@stowage/core'
import { explain } from '@stowage/router'
import type { Command } from 'commander'
import { exitCodes } from './exit-codes.ts'
import type { Io } from './output.ts'
import { type ActorOptions, actorOf, asActor, type CommonOptions, common, withStowage } from './run.ts'

type Flags = CommonOptions & ActorOptions & { purpose: string; dataset?: string }

/** `stowage route explain`. */
export function addRouteCommands(program: Command, io: Io, done: (code: number) => void): void {
  const route = program.command('route').description('routing decisions')
  asActor(common(route.command('explain').description('which source a request would get, and why')))
    .option('--purpose <purpose>', 'read or write', 'read')
    .option('--dataset <name>', 'the dataset that is read; without it every enabled source may hold it')
    .action(async (flags: Flags) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          if (flags.purpose !== 'read' && flags.purpose !== 'write') {
            throw new StowageError('configuration', `--purpose is "${flags.purpose}".`, {
              field: '--purpose',
              hint: 'Use read or write.',
            })
          }
          const actor = actorOf(flags)
          const handle = flags.dataset === undefined ? undefined : await stowage.as(actor).datasets.get(flags.dataset)
          const decision = await stowage.route({
            purpose: flags.purpose,
            actor,
            ...(handle === undefined ? {} : { datasetId: handle.id }),
          })
          output.result(decision, explain(decision))
          return decision.candidates.length > 0 ? exitCodes.done : exitCodes.failed
        }),
      )
    })
}
