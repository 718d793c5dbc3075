import { StowageError } from '@stowage/core'
import { explain, type RoutePurpose, type RouteRequest, routePurposes } from '@stowage/router'
import type { Command } from 'commander'
import { exitCodes } from './exit-codes.ts'
import type { Io } from './output.ts'
import { addRuleCommands } from './rule-commands.ts'
import { type ActorOptions, actorOf, asActor, type CommonOptions, common, withStowage } from './run.ts'

interface Flags extends CommonOptions, ActorOptions {
  purpose: string
  dataset?: string
  node?: string
  size?: string
  tag?: string[]
}

/** `stowage route`. */
export function addRouteCommands(program: Command, io: Io, done: (code: number) => void): void {
  const route = program.command('route').description('routing decisions and the rules they are made by')
  asActor(common(route.command('explain').description('which source a request would get, and why')))
    .option('--purpose <purpose>', 'read, write, backup or repair', 'read')
    .option('--dataset <name>', 'the dataset that is read; without it every enabled source may hold it')
    .option('--node <id>', 'the node that asks, one of routing.nodes')
    .option('--size <bytes>', 'bytes to be read or written')
    .option('--tag <tag...>', 'tags of a dataset that is not there yet')
    .action(async (flags: Flags) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          const actor = actorOf(flags)
          const handle = flags.dataset === undefined ? undefined : await stowage.as(actor).datasets.get(flags.dataset)
          const request: RouteRequest = {
            purpose: purposeOf(flags.purpose),
            actor,
            ...(handle === undefined ? {} : { datasetId: handle.id }),
            ...(flags.node === undefined ? {} : { node: flags.node }),
            ...(flags.size === undefined ? {} : { size: sizeOf(flags.size) }),
            ...(flags.tag === undefined ? {} : { tags: flags.tag }),
          }
          const decision = await stowage.route(request)
          output.result(decision, `${explain(decision)}\ndecision: ${decision.id}`)
          return decision.candidates.length > 0 ? exitCodes.done : exitCodes.failed
        }),
      )
    })

  common(route.command('replay <id>').description('make a recorded decision once more, by the rules of then')).action(
    async (id: string, flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          const { record, decision, same } = await stowage.routing.replay(id)
          const when = new Date(record.at).toISOString()
          const verdict = same ? 'the same as then' : 'NOT the same as then: the record was changed'
          output.result({ record, decision, same }, `${explain(decision)}\ndecided ${when}; ${verdict}`)
          return same ? exitCodes.done : exitCodes.failed
        }),
      )
    },
  )
  addRuleCommands(route, io, done)
}

function purposeOf(text: string): RoutePurpose {
  const purpose = routePurposes.find((each) => each === text)
  if (purpose !== undefined) return purpose
  throw new StowageError('configuration', `--purpose is "${text}".`, {
    field: '--purpose',
    hint: `Use ${routePurposes.join(', ')}.`,
  })
}

function sizeOf(text: string): number {
  const size = Number(text)
  if (text !== '' && Number.isSafeInteger(size) && size >= 0) return size
  throw new StowageError('configuration', `--size is "${text}".`, { field: '--size', hint: 'Give a number of bytes.' })
}
