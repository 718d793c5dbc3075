import type { PairLease } from '../state/index.ts'
import { discard } from '../transfer/index.ts'
import type { Shared } from './shared.ts'

/** Throws away uploads that nobody will go on with: of objects that failed or are gone. What cannot be aborted now stays written down. */
export async function sweepUploads({ transfers, both, outcome }: Shared, lease: PairLease): Promise<void> {
  for (const direction of both === undefined ? [transfers] : [transfers, both.back]) {
    for await (const note of direction.uploads.all()) {
      lease.check()
      try {
        await discard(direction, note, lease.signal)
      } catch (error) {
        if (lease.signal.aborted) throw error
        outcome.warn(`The unfinished upload of "${note.record.key}" could not be aborted; the next run tries again.`)
      }
    }
  }
}
