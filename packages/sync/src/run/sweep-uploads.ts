import type { PairLease, UploadLog, UploadNote } from '../state/index.ts'
import { discard } from '../transfer/index.ts'
import type { Shared } from './shared.ts'

/**
 * How long parts that were given up a moment ago may take to arrive all the same, in milliseconds: one that comes to MinIO after its upload was
 * thrown away brings a piece of it back, which nobody asks for any more.
 */
const lateMs = 1000

/**
 * Throws away uploads that nobody will go on with: of objects that failed or are gone. What cannot be aborted now stays written down.
 * @param keys whose. @defaultValue all
 */
export async function sweepUploads(
  { transfers, both, outcome, stop }: Shared,
  lease: PairLease,
  keys?: readonly string[],
): Promise<void> {
  let wait = stop.reason?.kind === 'cancel' ? lateMs : 0
  for (const direction of both === undefined ? [transfers] : [transfers, both.back]) {
    for await (const note of keys === undefined ? direction.uploads.all() : notesOf(direction.uploads, keys)) {
      lease.check()
      try {
        if (wait > 0) await transfers.clock.sleep(wait, lease.signal)
        wait = 0
        await discard(direction, note, lease.signal)
      } catch (error) {
        if (lease.signal.aborted) throw error
        outcome.warn(`The unfinished upload of "${note.record.key}" could not be aborted; the next run tries again.`)
      }
    }
  }
}

async function* notesOf(uploads: UploadLog, keys: readonly string[]): AsyncGenerator<UploadNote> {
  for (const key of keys) {
    const note = await uploads.find(key)
    if (note !== undefined) yield note
  }
}
