import { type Decision, decide, FolderWatch, type Row } from '../plan/index.ts'
import type { Above } from './above.ts'
import { act, settleAtOnce } from './action.ts'
import { countRow, type PassCounts } from './counts.ts'
import type { ResolvedOptions } from './options.ts'
import type { Rules } from './pass.ts'
import type { PassContext } from './shared.ts'

/** Makes the target hold what the source holds. What only the target has is counted, and left to the deletes. */
export function oneWay(context: PassContext, counts: PassCounts, above: Above): Rules {
  const { options, takesPart } = context
  const { keys } = options.to.adapter.capabilities
  const folders = new FolderWatch(keys)
  const extras = new FolderWatch(keys)
  const how = { ...options, mayBeLate: context.mayBeLate }
  for (const key of above.from) folders.next(key)
  for (const key of above.to) extras.next(key)
  return {
    lookBelow: keys.objectAndFolder ? [] : ['to'],
    take(row, pending) {
      const before = counts.extra
      countRow(row, counts, takesPart, pending)
      if (counts.extra > before) context.planned?.delete('to', row.key)
      // Neither written nor deleted, and no object of ours: the ledger forgets it.
      if (row.source !== undefined && !takesPart(row.source))
        return void settleAtOnce(context, row, { action: 'none' }, pending)
      const decision = refuse(row, options) ?? refuseFolder(row, folders) ?? block(row, extras, decide(row, how))
      return settleAtOnce(context, row, decision, pending) ? undefined : () => act(context, row, decision, pending)
    },
  }
}

function refuse(row: Row, { checkKey }: ResolvedOptions): Decision | undefined {
  if (row.source === undefined || checkKey === undefined) return undefined
  const reason = checkKey(row.key)
  return reason === undefined ? undefined : { action: 'refuse', reason }
}

function refuseFolder(row: Row, folders: FolderWatch): Decision | undefined {
  if (row.source === undefined) return undefined
  const blocker = folders.next(row.key)
  return blocker === undefined
    ? undefined
    : { action: 'refuse', reason: `lies below "${blocker}", which is an object too` }
}

/** What only the target has, and where it cannot hold both, stands in the way of objects below it and above it. */
function block(row: Row, extras: FolderWatch, decision: Decision): Decision {
  if (row.source === undefined && row.target !== undefined) extras.next(row.key)
  if (decision.action !== 'copy' || row.target !== undefined) return decision
  const by = extras.blocker(row.key) ?? row.below
  return by == null ? decision : { action: 'blocked', by }
}
