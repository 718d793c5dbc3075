import type { Decision } from '../plan/index.ts'
import { cameFrom, compareBytes, echoOf, type Job, type Transferred, vouchedFor } from '../transfer/index.ts'
import type { Shared } from './shared.ts'

/**
 * Finds out whether two objects are the same, as a decision wants it: from what metadata says of their origin, or from their bytes.
 * @param isNoEcho whether the source's metadata was asked already
 */
export async function findSame(
  { transfers, stop, options }: Pick<Shared, 'transfers' | 'stop' | 'options'>,
  job: Job,
  decision: Decision,
  isNoEcho = false,
): Promise<Transferred | undefined> {
  const { signal } = stop
  const { action } = decision
  if (action === 'late') return (await cameFrom(transfers, job, signal)) ? undefined : decision.entry
  if (action === 'echo') {
    const echo = await echoOf(transfers, job, decision.changed, signal)
    return echo ?? (await findSame({ transfers, stop, options }, job, decision.otherwise, true))
  }
  const vouched = action === 'head' ? await vouchedFor(transfers, job, signal) : undefined
  if (vouched !== undefined) return vouched
  const unknown =
    !isNoEcho && (action === 'head' || action === 'compare') && options.compareUnknown && !options.checksum
  const back = unknown ? await echoOf(transfers, job, false, signal) : undefined
  if (back !== undefined) return back
  const compare = action === 'compare' || (action === 'head' && (options.createOnly || options.compareUnknown))
  return compare ? await compareBytes(transfers, job, signal) : undefined
}
