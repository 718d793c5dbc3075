import { isAs, type PlannedObject, type Row, sameEtag } from '../plan/index.ts'
import type { Intent, LedgerEntry } from '../state/index.ts'
import { digestPatiently, isCopyOf, patient } from '../transfer/index.ts'
import { objectAt, otherSide, type TwoWayContext, towards } from './case.ts'

/**
 * What both sides agreed on last. That is what the ledger says, unless a run ended between a change that it made and the telling of it: then
 * what the intent says, if the change was really made. So a change of ours is never taken for one of somebody else.
 */
export async function agreedOn(context: TwoWayContext, row: Row): Promise<LedgerEntry | undefined> {
  const intents = context.both.intents.of(row.key, row.entry)
  for (const intent of intents.reverse()) {
    const there = objectAt(row, intent.at)
    if (there === undefined) {
      if (intent.copyOf === null) return undefined
      continue
    }
    if (intent.copyOf === null || isBefore(row, intent, there)) continue
    const digest = await madeByUs(context, intent, there)
    if (digest === undefined) continue
    const { etag, size } = intent.copyOf
    const [ours, theirs] = [
      { etag: there.etag, size: there.size },
      { etag, size },
    ]
    const sides = intent.at === 'to' ? { source: theirs, target: ours } : { source: ours, target: theirs }
    return { key: row.key, ...sides, ...(digest === '' ? {} : { digest }) }
  }
  return row.entry
}

/** Whether the side still has what it had before. */
function isBefore({ entry }: Row, { at }: Intent, there: PlannedObject): boolean {
  const before = at === 'to' ? entry?.target : entry?.source
  return before !== undefined && isAs(there, before)
}

/** The contents' digest if an object is what the intent says, empty if that is known by the object's origin alone; else `undefined`. */
async function madeByUs(context: TwoWayContext, intent: Intent, there: PlannedObject): Promise<string | undefined> {
  const { at, copyOf, key } = intent
  if (copyOf === null || copyOf.size !== there.size) return undefined
  const transfers = towards(context, at)
  const { signal } = context.stop
  if (copyOf.digest !== undefined) {
    const found = await digestPatiently(transfers, 'to', key, signal)
    return found.digest === copyOf.digest && sameEtag(found.etag, there.etag) ? found.digest : undefined
  }
  const { adapter, prefix } = context.options[at]
  const info = await patient(transfers, signal, () =>
    transfers.units.run(0, signal, (signal) => adapter.head(prefix + key, { signal })),
  )
  const origin = context.options[otherSide(at)]
  return sameEtag(info.etag, there.etag) && isCopyOf(info, { key, ...copyOf }, origin) ? '' : undefined
}
