import { hasCode } from '@stowage/core'
import { deleteRecord, listRecords } from '../state/index.ts'
import type { Entries } from './entries.ts'
import { helpPrefix, idIn } from './entry.ts'
import { helpKey } from './invitation.ts'
import type { WorkOptions } from './types.ts'
import { isGone, type WorkerParts } from './worker.ts'

/** How often an idle worker looks whether another one wants help, in milliseconds. */
export const helpMs = 2000

/** How often a helper looks whether the task was paused or has ended, in milliseconds. */
const lookMs = 1000

/** Helps one running task of another worker, when one has partitions for others. @returns whether there was any */
export async function helpOthers(parts: WorkerParts, options: WorkOptions): Promise<boolean> {
  const { entries, tasks, owner, alert } = parts
  const { records } = entries
  const { run, signal } = options
  for await (const key of listRecords(records, helpPrefix, signal)) {
    const id = idIn(key)
    const entry = (await entries.read(id, signal))?.entry
    if (entry === undefined || key !== helpKey(entry) || entry.state !== 'running') {
      // Left over by a worker that died.
      await deleteRecord(records, key, signal)
      continue
    }
    if (isGone(entry, owner, await records.store.now())) continue
    const task = (await tasks.read(id, signal))?.task ?? entry.task
    const over = new AbortController()
    const ended = new AbortController()
    const watching = watch(entries, id, over, ended.signal)
    try {
      await run(task, AbortSignal.any([signal, over.signal]), { join: true, onPartitions: () => undefined })
    } catch (error) {
      // Whoever has the task tells what is wrong with it.
      if (!signal.aborted && !hasCode(error, 'aborted', 'lease-held', 'lease-lost'))
        alert(error, 'A task could not be helped', id)
    } finally {
      ended.abort()
      await watching
    }
    return true
  }
  return false
}

/**
 * Ends the help when the task was paused or has ended. That its worker died is no reason: the help goes on with what it has, and brings the task
 * to its end if need be.
 */
async function watch(entries: Entries, id: string, over: AbortController, ended: AbortSignal): Promise<void> {
  while (!ended.aborted && !over.signal.aborted) {
    try {
      await entries.records.clock.sleep(lookMs, ended)
      const now = (await entries.read(id, ended))?.entry
      const goesOn = now?.state === 'running' || now?.state === 'waiting'
      if (!goesOn || now?.asked === 'pause') over.abort()
    } catch {
      // A store that is away for a moment: the help itself cannot go on without it for long either.
    }
  }
}
