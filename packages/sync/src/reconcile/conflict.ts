import { hasCode, StowageError } from '@stowage/core'
import { type Side, sameEtag } from '../plan/index.ts'
import type { LedgerEntry } from '../state/index.ts'
import { digestPatiently, patient, type TransferContext, transfer, vouchedFor } from '../transfer/index.ts'
import { type Case, objectAt, otherSide, settle, type TwoWayContext, towards } from './case.ts'
import { copyTo } from './copy.ts'
import { movedOn } from './moved-on.ts'
import { conflictKey, whyNot } from './name.ts'

/** Finds out by the contents what happened to an object that both sides have, and sees to it. */
export async function compare(context: TwoWayContext, one: Case): Promise<void> {
  const { row, base } = one
  const { source, target } = row
  if (source === undefined || target === undefined) return
  const same = base === undefined && !context.options.checksum ? await byOrigin(context, one) : undefined
  if (same !== undefined) return learn(context, one, same)
  const known = base?.digest
  const mayBeBase = (size: number, before: number | undefined): boolean => known !== undefined && size === before
  const equalSize = source.size === target.size
  const [from, to] = await Promise.all([
    equalSize || mayBeBase(source.size, base?.source.size) ? digestAt(context, one, 'from') : undefined,
    equalSize || mayBeBase(target.size, base?.target.size) ? digestAt(context, one, 'to') : undefined,
  ])
  if (from !== undefined && from === to) {
    const print = ({ etag, size }: { etag: string; size: number }) => ({ etag, size })
    return learn(context, one, { key: row.key, source: print(source), target: print(target), digest: from })
  }
  const untouched =
    from === known && known !== undefined ? 'from' : to === known && known !== undefined ? 'to' : undefined
  if (untouched === undefined) return await resolve(context, one, { from, to })
  const damaged = isAsBase(one)
  // Where nobody changed anything and yet the contents differ, the one that is what it was is right. Elsewhere it is the other that was
  // really changed, while this one was only touched.
  await copyTo(context, one, damaged ? otherSide(untouched) : untouched)
}

function learn(context: TwoWayContext, one: Case, entry: LedgerEntry): void {
  context.transfers.progress.objects.skipped++
  settle(context, one, entry)
}

/** Whether both sides are, by their fingerprints, as the ledger has them. */
function isAsBase({ row, base }: Case): boolean {
  const is = (side: Side): boolean => {
    const [now, before] = [objectAt(row, side), side === 'from' ? base?.source : base?.target]
    return now !== undefined && before !== undefined && sameEtag(now.etag, before.etag) && now.size === before.size
  }
  return is('from') && is('to')
}

/** Asks the metadata of either side whether its object is a copy of the other's. */
async function byOrigin(context: TwoWayContext, { row }: Case): Promise<LedgerEntry | undefined> {
  const { key, source, target } = row
  if (source === undefined || target === undefined || source.size !== target.size) return undefined
  const { signal } = context.stop
  for (const side of ['to', 'from'] as const) {
    const transfers = towards(context, side)
    if (transfers.to.adapter.capabilities.metadata !== 'native') continue
    const job = side === 'to' ? { key, source, target } : { key, source: target, target: source }
    const found = await vouchedFor(transfers, job, signal)
    if (found === undefined) continue
    return side === 'to'
      ? { key, source: found.source, target: found.target }
      : { key, source: found.target, target: found.source }
  }
  return undefined
}

/** Reads what a side has. @throws StowageError `conflict` when it is another object by now */
async function digestAt(context: TwoWayContext, { row }: Case, side: Side): Promise<string> {
  const object = objectAt(row, side)
  const found = await digestPatiently(context.transfers, side, row.key, context.stop.signal).catch((error: unknown) => {
    if (hasCode(error, 'not-found')) throw movedOn(row.key)
    throw error
  })
  if (object === undefined || found.size !== object.size || !sameEtag(found.etag, object.etag)) throw movedOn(row.key)
  return found.digest
}

/**
 * Settles a conflict: sets the version that loses aside under another name, on both sides, and only then lets the other take its place.
 * Each step finds what an earlier run did of it.
 */
async function resolve(context: TwoWayContext, one: Case, digests: Record<Side, string | undefined>): Promise<void> {
  const { options, outcome, transfers } = context
  const { key } = one.row
  const { objects } = transfers.progress
  const winner = await winnerOf(context, key)
  const loser = otherSide(winner)
  const digest = digests[loser] ?? (await digestAt(context, one, loser))
  const aside = conflictKey(key, loser, digest)
  const reason = whyNot(aside, options.from, options.to)
  if (reason !== undefined) {
    const error = `The version that loses cannot be kept as "${aside}": that key ${reason}. Nothing was changed.`
    throw new StowageError('invalid-key', error, { key, hint: 'Rename one of the two versions.' })
  }
  if (!options.dryRun) {
    await context.both.busy.hold(aside, async () => {
      await setAside(context, one, loser, aside, digest, ownSide(context, loser))
      await setAside(context, one, loser, aside, digest, towards(context, winner))
    })
  }
  await copyTo(context, one, loser)
  objects.conflicts++
  outcome.settledConflicts++
  const name = (side: Side): string => (side === 'from' ? 'source' : 'target')
  const verb = options.dryRun ? 'would be' : 'is'
  outcome.warn(
    `"${key}" was changed on both sides: the ${name(winner)}'s version stays, the ${name(loser)}'s ${verb} kept as "${aside}".`,
  )
}

async function winnerOf(context: TwoWayContext, key: string): Promise<Side> {
  const { conflict } = context.options
  if (conflict === 'target') return 'to'
  if (conflict !== 'newer') return 'from'
  const [from, to] = await Promise.all([secondsOf(context, 'from', key), secondsOf(context, 'to', key)])
  return to > from ? 'to' : 'from'
}

/** When a side's object was changed, as its own store says, in whole seconds: some stores tell no more. */
async function secondsOf(context: TwoWayContext, side: Side, key: string): Promise<number> {
  const { options, stop, transfers } = context
  const { adapter, prefix } = options[side]
  const { lastModified } = await patient(transfers, stop.signal, () =>
    transfers.units.run(0, stop.signal, (signal) => adapter.head(prefix + key, { signal })),
  )
  return Math.floor(lastModified / 1000)
}

/** What to copy an object of one side to another name of the same side with. */
function ownSide(context: TwoWayContext, side: Side): TransferContext {
  return { ...towards(context, side), from: context.options[side] }
}

/** Copies the version that loses to its new name, unless it is there already. */
async function setAside(
  context: TwoWayContext,
  { row }: Case,
  loser: Side,
  aside: string,
  digest: string,
  transfers: TransferContext,
): Promise<void> {
  const object = objectAt(row, loser)
  if (object === undefined) return
  const job = { key: aside, source: { ...object, digest }, target: undefined }
  const result = await transfer(transfers, job, context.stop.signal).catch((error: unknown) => {
    if (hasCode(error, 'not-found')) throw movedOn(row.key)
    throw error
  })
  if (result.outcome === 'vanished') throw movedOn(row.key)
  const note = await transfers.uploads.find(aside)
  if (note !== undefined) await transfers.uploads.remove(note)
}
