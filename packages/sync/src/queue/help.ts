import { hasCode } from '@stowage/core'
import { deleteRecord, encodeJson, listRecords, readRecord, writeRecord } from '../state/index.ts'
import type { Entries } from './entries.ts'
import { helpPrefix, idIn, type QueueEntry } from './entry.ts'
import type { WorkOptions } from './types.ts'
import { isGone, type WorkerParts } from './worker.ts'

/** How often an idle worker looks whether another one wants help, in milliseconds. */
export const helpMs = 2000

/** How often a helper looks whether the task was paused or has ended, in milliseconds. */
const lookMs = 1000

const never = new AbortController().signal

/**
 * Lets idle workers know that a task which runs here has partitions. It stands until the run ends, also while all of them are taken: who has
 * come gets his share by a split.
 */
export class Invitation {
  readonly #entries: Entries
  readonly #key: string
  readonly #alert: (error: unknown) => void
  #wanted = false
  #written = false
  #writing: Promise<void> = Promise.resolve()

  constructor(entries: Entries, entry: QueueEntry, alert: (error: unknown) => void) {
    this.#entries = entries
    this.#key = helpKey(entry)
    this.#alert = alert
  }

  /** To be told how many partitions wait for somebody, whenever that changes. */
  readonly tell = (open: number): void => {
    if (open === 0 || this.#wanted) return
    this.#wanted = true
    this.#write()
  }

  /** Takes it back. */
  async end(): Promise<void> {
    this.#wanted = false
    this.#write()
    await this.#writing
  }

  /** One write after the other, and each of what is wanted by then: who helps is worth no more than a word that comes late. */
  #write(): void {
    this.#writing = this.#writing.then(async () => {
      if (this.#wanted === this.#written) return
      const { records } = this.#entries
      try {
        if (this.#wanted) await put(this.#entries, this.#key)
        else await deleteRecord(records, this.#key, never)
        this.#written = !this.#written
      } catch (error) {
        this.#alert(error)
      }
    })
  }
}

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

async function put(entries: Entries, key: string): Promise<void> {
  const { records } = entries
  if ((await readRecord(records, key, never)) !== undefined) return
  await writeRecord(records, key, encodeJson({ nonce: records.random.id(records.clock.now()) }), null, never)
}

/** Names the run, so that what one of a dead worker left behind is told from that of the next. */
function helpKey({ id, sequence }: QueueEntry): string {
  return `${helpPrefix}${id}.${sequence}`
}
