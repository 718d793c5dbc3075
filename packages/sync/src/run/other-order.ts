import { formatLocation, StowageError } from '@stowage/core'
import { pairKeys, type Records, readRecord } from '../state/index.ts'
import type { ResolvedOptions } from './options.ts'

/**
 * Refuses a two-way sync of two places that are synced the other way round already: its ledger would be empty, and what was deleted
 * meanwhile would come back.
 * @throws StowageError `configuration`
 */
export async function refuseOtherOrder(records: Records, options: ResolvedOptions, signal: AbortSignal): Promise<void> {
  if (!options.twoWay) return
  const { from, to } = options
  if ((await readRecord(records, pairKeys(options).state, signal)) !== undefined) return
  if ((await readRecord(records, pairKeys({ ...options, from: to, to: from }).state, signal)) === undefined) return
  throw new StowageError(
    'configuration',
    `${formatLocation(to)} and ${formatLocation(from)} are synced in both directions already, in that order.`,
    { field: 'from', hint: 'Name them in that order, as before: what they agreed on is remembered under it.' },
  )
}
