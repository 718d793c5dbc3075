import { RunStop } from '../flow/index.ts'
import { broughtOf, checkShares, emptiedBy, withinShares } from '../reconcile/index.ts'
import type { PairLease, PairState } from '../state/index.ts'
import type { Blocked } from './blocked.ts'
import type { PassCounts } from './counts.ts'
import { checkDeletes, runDeletes, withinShare } from './deletes.ts'
import type { SyncResult } from './options.ts'
import { recount } from './recount.ts'
import { refuseHidden } from './safety.ts'
import type { AgreedDeletes, Shared } from './shared.ts'
import type { StopControl } from './stop.ts'

/** What comes after the copying works with. */
export interface Finishing {
  shared: Shared
  lease: PairLease
  /** What unfinished runs before this one put into each side. */
  brought: Pick<PairState, 'brought' | 'broughtBack'>
  /** What waits for the deletes, as long as they are to come. */
  blocked: Blocked | undefined
  /** Told whether what was put there need not be told from the target's own any more. */
  agree: (agreed: boolean) => void
  /** Waits until no request of an owner that was taken over can still arrive. */
  quiet: () => Promise<void>
  /** Another pass, which finds everything as it is to be but for what waited: these deletes, or what had no place before them. */
  passAgain: (deletes?: AgreedDeletes) => Promise<void>
  /** Borders between which the deletes may go on side by side. */
  borders: readonly string[]
  /** Whether some of the counts are those of an earlier run, or count what was brought before. */
  old: boolean
  /** Objects that walks over partitions put there. */
  broughtInParts: number
}

/** How a run ends that was stopped. */
export function stoppedAs({ reason }: StopControl): 'cancelled' | 'failed' | 'paused' {
  if (reason?.kind === 'cancel') return 'cancelled'
  return reason?.kind === 'failed' ? 'failed' : 'paused'
}

/** Deletes, when that is asked for and safe. */
export async function finishOneWay(finishing: Finishing, counted: PassCounts): Promise<SyncResult['status']> {
  const { shared, lease, brought, blocked } = finishing
  const { options, outcome, stop, transfers } = shared
  const { objects } = transfers.progress
  const failed = (): boolean => objects.failed + objects.conflicts > 0
  const mayDelete = blocked !== undefined && counted.extra + blocked.count > 0 && !failed() && counted.problems === 0
  const counts = mayDelete && finishing.old ? await recount(shared, counted, finishing.broughtInParts) : counted
  finishing.agree(withinShare(options, counts, brought.brought))
  if (blocked === undefined || counts.extra + blocked.count === 0) return failed() ? 'failed' : 'success'
  if (failed() || counts.problems > 0) {
    outcome.warn(
      `${counts.extra} objects that only the target has were not deleted, because not everything else succeeded.`,
    )
    blocked.fail(objects, outcome)
    return failed() ? 'failed' : 'success'
  }
  if (counts.source === 0) await refuseHidden(options, stop.signal)
  checkDeletes(options, counts, brought.brought)
  transfers.progress.phase = 'deleting'
  await lease.commit((state) => ({ ...state, phase: 'deleting', brought: 0 }))
  try {
    await finishing.quiet()
    await runDeletes(shared, counts, () => lease.check(), finishing.borders)
    if (blocked.count > 0) await finishing.passAgain()
    if (stop.stopping) return stoppedAs(stop)
  } catch (error) {
    if (error instanceof RunStop) stop.now({ kind: 'failed', error: error.error })
    if (!stop.stopping) throw error
    return stoppedAs(stop)
  }
  return failed() ? 'failed' : 'success'
}

/** Deletes on both sides, when that is asked for and safe, and lets the ledger learn the names that conflicts brought about. */
export async function finishTwoWay(finishing: Finishing, counts: PassCounts): Promise<SyncResult['status']> {
  const { shared, lease, blocked } = finishing
  const { options, outcome, stop, transfers } = shared
  const { objects } = transfers.progress
  const failed = (): boolean => objects.failed + objects.conflicts > outcome.settledConflicts
  const brought = broughtOf(finishing.brought)
  finishing.agree(withinShares(options, counts, brought))
  const held = counts.extra + counts.extraBack
  const deletes = options.delete ? held : 0
  if (failed() || counts.problems > 0 || deletes === 0) {
    if (held > 0) {
      const why = options.delete ? 'because not everything else succeeded' : 'as was asked for'
      outcome.warn(`${held} objects that one side deleted were not deleted on the other, ${why}.`)
    }
    blocked?.fail(objects, outcome)
    if (!failed() && outcome.settledConflicts > 0) await finishing.passAgain()
  } else {
    for (const side of emptiedBy(counts, brought))
      await refuseHidden(options, stop.signal, side === 'to' ? 'from' : 'to')
    checkShares(options, counts, brought)
    transfers.progress.phase = 'deleting'
    await lease.commit((state) => ({ ...state, phase: 'deleting', brought: 0, broughtBack: 0 }))
    await finishing.quiet().catch((error: unknown) => {
      if (!stop.stopping) throw error
    })
    if (!stop.stopping) await finishing.passAgain({ counts, check: () => lease.check() })
    if (!stop.stopping && (blocked?.count ?? 0) > 0) await finishing.passAgain()
  }
  if (stop.stopping) return stoppedAs(stop)
  return failed() ? 'failed' : 'success'
}
