import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { StowageError } from '@stowage/core'
import { type Change, compileRules, type DryRun, type ParsedRule } from '@stowage/router'
import type { Command } from 'commander'
import { exitCodes } from './exit-codes.ts'
import { printable } from './format.ts'
import { type Io, Output } from './output.ts'
import { type CommonOptions, common, withStowage } from './run.ts'

/** Changes of a dry run that are shown one by one. */
const shown = 20

/** `stowage route rules`. */
export function addRuleCommands(route: Command, io: Io, done: (code: number) => void): void {
  const rules = route.command('rules').description('the rules that decisions are made by')
  const add = (name: string, description: string): Command => common(rules.command(name).description(description))

  add('show', 'the rules in force, in the order in which they count').action(async (flags: CommonOptions) => {
    done(
      await withStowage(io, flags, async ({ stowage, output }) => {
        const inForce = await stowage.routing.rules()
        const lines = inForce.rules.map(lineOf)
        output.result(inForce, [...lines, `set ${inForce.hash}, from the ${inForce.origin}`].join('\n'))
        return exitCodes.done
      }),
    )
  })

  add('check <file>', 'whether rules in a JSON file can be used; changes nothing').action(
    async (file: string, flags: CommonOptions) => {
      const output = new Output(io, flags)
      try {
        const set = compileRules(await rulesIn(io, file))
        const count = set.rules.length
        output.result({ hash: set.hash, rules: count }, `${count} rules can be used, set ${set.hash}`)
        done(exitCodes.done)
      } catch (error) {
        output.error(error)
        done(exitCodes.usage)
      }
    },
  )

  add('set <file>', 'put the rules of a JSON file in force, in every process within a second').action(
    async (file: string, flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          const hash = await stowage.routing.setRules(await rulesIn(io, file))
          output.result({ hash }, `set ${hash} is in force`)
          return exitCodes.done
        }),
      )
    },
  )

  add('reset', 'go by the rules of the configuration again').action(async (flags: CommonOptions) => {
    done(
      await withStowage(io, flags, async ({ stowage, output }) => {
        await stowage.routing.resetRules()
        const { hash, origin } = await stowage.routing.rules()
        output.result({ hash, origin }, `set ${hash} is in force, from the ${origin}`)
        return exitCodes.done
      }),
    )
  })

  add('dry-run <file>', 'what the rules of a JSON file would have changed in recorded decisions').action(
    async (file: string, flags: CommonOptions) => {
      done(
        await withStowage(io, flags, async ({ stowage, output }) => {
          const run = await stowage.routing.dryRun(await rulesIn(io, file))
          output.result({ ...run, changes: run.changes.map(inShort) }, textOf(run))
          return exitCodes.done
        }),
      )
    },
  )
}

async function rulesIn(io: Io, file: string): Promise<unknown> {
  const path = resolve(io.cwd, file)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new StowageError('configuration', `The file ${file} cannot be read.`, { cause })
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new StowageError('configuration', `The file ${file} is not JSON.`, {
      hint: 'It holds a list of rules, or { "rules": [...], "defaults": true, "panic": "reads" }.',
    })
  }
}

function lineOf({ id, priority, when, then }: ParsedRule): string {
  return printable(`${priority}  ${id}  when ${JSON.stringify(when)} then ${JSON.stringify(then)}`)
}

function inShort({ record, before, after, kind }: Change) {
  return { id: record.id, at: record.at, request: record.request, before, after, kind }
}

function textOf({ decisions, changes, ruleSetHash }: DryRun): string {
  const firsts = changes.filter(({ kind }) => kind === 'first').length
  const nones = changes.filter(({ kind }) => kind === 'none').length
  const lines = changes
    .slice(0, shown)
    .map(({ record, before, after, decision }) =>
      printable(
        `${record.id}  ${record.request.purpose}  ${before.join(' ') || 'none'} -> ${after.join(' ') || 'none'}  (${decision.ruleIds.join(', ')})`,
      ),
    )
  const more = changes.length > shown ? [`… and ${changes.length - shown} more`] : []
  return [
    ...lines,
    ...more,
    `of ${decisions} recorded decisions, set ${ruleSetHash} would have changed ${changes.length}: ${firsts} the source used, ${nones} to no source at all`,
  ].join('\n')
}
