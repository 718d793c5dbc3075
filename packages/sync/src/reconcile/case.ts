import { hasCode } from '@stowage/core'
import { bareEtag, type PlannedObject, type Row, type Side } from '../plan/index.ts'
import type { BothWays, PassContext } from '../run/shared.ts'
import type { Pending } from '../run/tally.ts'
import type { LedgerEntry } from '../state/index.ts'
import { patient, type TransferContext, type Transferred } from '../transfer/index.ts'

/** A pass of a two-way sync. */
export type TwoWayContext = PassContext & { both: BothWays }

/** One key that requests are made about. */
export interface Case {
  /** As it was listed, or as it was found when it was looked at again, with what the ledger says. */
  row: Row
  /** What both sides agreed on: what the ledger says, or a write of ours that it was not told of. */
  base: LedgerEntry | undefined
  pending: Pending | undefined
  /** What stands in the way of the object on the side that does not have it; `null`: that has to be asked. */
  obstacle: string | null | undefined
}

export function otherSide(side: Side): Side {
  return side === 'from' ? 'to' : 'from'
}

/** What a side has of a key. */
export function objectAt({ source, target }: Row, side: Side): PlannedObject | undefined {
  return side === 'from' ? source : target
}

/** What to bring objects to a side with. */
export function towards(context: TwoWayContext, side: Side): TransferContext {
  return side === 'to' ? context.transfers : context.both.back
}

/** What a side has of a key now. */
export async function lookAt(context: TwoWayContext, side: Side, key: string): Promise<PlannedObject | undefined> {
  const { stop, transfers, options } = context
  const { adapter, prefix } = options[side]
  return await patient(transfers, stop.signal, () =>
    transfers.units.run(0, stop.signal, async (signal) => {
      try {
        const { size, etag } = await adapter.head(prefix + key, { signal })
        return { key, size, etag: bareEtag(etag) }
      } catch (error) {
        if (hasCode(error, 'not-found', 'invalid-key')) return undefined
        throw error
      }
    }),
  )
}

/** The row of a key as both sides have it now. */
export async function lookAgain(context: TwoWayContext, { key, entry, origin }: Row): Promise<Row> {
  const [source, target] = await Promise.all([lookAt(context, 'from', key), lookAt(context, 'to', key)])
  return {
    key,
    ...(source === undefined ? {} : { source }),
    ...(target === undefined ? {} : { target }),
    ...(entry === undefined ? {} : { entry }),
    ...(origin === undefined ? {} : { origin }),
  }
}

/** The ledger learns what both sides have now; without an entry, that they have nothing. */
export function settle(context: TwoWayContext, { row, pending }: Case, entry: LedgerEntry | undefined): void {
  if (pending === undefined) return
  if (entry !== undefined && entry === row.entry) context.frontier?.settle(pending, entry, row.origin)
  else context.frontier?.settle(pending, entry)
  context.both.intents.settled(row.key)
}

/** The entry of a key of which a side has just got the other's contents. */
export function entryOf(key: string, to: Side, { source, target, digest }: Transferred): LedgerEntry {
  const sides = to === 'to' ? { source, target } : { source: target, target: source }
  return { key, ...sides, ...(digest === undefined ? {} : { digest }) }
}
