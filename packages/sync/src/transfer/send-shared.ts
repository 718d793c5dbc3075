import { type BodyPiece, onBytesIn, throwIfAborted, type UploadedPart } from '@stowage/core'
import type { TransferContext } from './context.ts'
import type { FirstRead } from './first-read.ts'
import { type PartJob, patientPart, toldOf, wrongSize } from './part-job.ts'
import { openRange } from './read.ts'
import { type SharedRead, SharedReads } from './shared-reads.ts'

/** Parts of one object at a time, at most. */
const mostLanes = 16

/**
 * Sends parts as they come, several by one read of the source. Their MD5s, which the target tells, show in the end whether the bytes were
 * right. The first failure ends the others; what has arrived stays noted.
 */
export async function sendShared(
  context: TransferContext,
  parts: PartJob,
  { missing, first }: { missing: readonly number[]; first: FirstRead | undefined },
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController()
  const both = AbortSignal.any([signal, failed.signal])
  const sending = new SharedSending(context, parts, missing, both)
  if (first !== undefined) sending.seed(first)
  let firstError: unknown
  const lane = async (): Promise<void> => {
    try {
      while (await sending.next());
    } catch (error) {
      firstError ??= error
      failed.abort(error)
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(missing.length, mostLanes) }, lane))
  } finally {
    sending.close()
  }
  if (firstError !== undefined) throw firstError
  throwIfAborted(signal)
}

class SharedSending {
  readonly #context: TransferContext
  readonly #parts: PartJob
  readonly #signal: AbortSignal
  readonly #reads: SharedReads
  /** Those who wait for room. */
  readonly #waiting = new Set<AbortController>()

  constructor(context: TransferContext, parts: PartJob, missing: readonly number[], signal: AbortSignal) {
    this.#context = context
    this.#parts = parts
    this.#signal = signal
    const open = (first: number, end: number, unit: AbortSignal) => this.#open(first, end, unit)
    this.#reads = new SharedReads(missing, open, context.clock)
  }

  /** Begins with a read that was opened already, if it is of such parts. */
  seed({ partSize, end, body }: FirstRead): void {
    if (partSize === this.#parts.note.record.partSize) this.#reads.seed(1, end, body)
  }

  /** Sends one part. @returns `false` when there is nothing to do any more for one who has nothing */
  async next(): Promise<boolean> {
    if (!this.#reads.isClaimable) return false
    const { units, large } = this.#context
    const { partSize } = this.#parts.note.record
    const control = new AbortController()
    const stop = (): void => control.abort(this.#signal.reason)
    if (this.#signal.aborted) stop()
    this.#signal.addEventListener('abort', stop, { once: true })
    let read: SharedRead | undefined
    try {
      this.#waiting.add(control)
      await patientPart(this.#context, control.signal, () =>
        units.pass(partSize, control.signal, async (unit) => {
          this.#waiting.delete(control)
          read ??= this.#reads.claim(units.roomFor(partSize) / Math.max(1, large.used))
          if (read === undefined) return
          this.#dismiss()
          await this.#send(read, unit)
        }),
      )
    } catch (error) {
      // Dismissed while it waited.
      if (read === undefined && !this.#signal.aborted && control.signal.aborted) return false
      throw error
    } finally {
      this.#waiting.delete(control)
      this.#signal.removeEventListener('abort', stop)
    }
    return read !== undefined
  }

  close(): void {
    this.#reads.close()
  }

  /** Sends those home for whom nothing is left. */
  #dismiss(): void {
    if (this.#reads.isClaimable) return
    for (const control of this.#waiting) control.abort()
  }

  async #send(read: SharedRead, unit: AbortSignal): Promise<void> {
    const context = this.#context
    const parts = this.#parts
    const reads = this.#reads
    const { partSize, source } = parts.note.record
    const number = read.next
    const size = Math.min(partSize, source.size - (number - 1) * partSize)
    const shown = parts.job.bytes.piece()
    try {
      const piece = await reads.piece(read, size, unit)
      onBytesIn(piece, shown.pass)
      const part = await this.#upload(number, piece, size, unit)
      // Not written down: who goes on from here finds it with the store, and a write would have all who send wait for our disk.
      parts.note.keepPart({ ...part, ...toldOf(context, parts, part) })
    } catch (error) {
      shown.fail()
      // It may be behind the part by now, which is to be sent again.
      read.body?.destroy()
      throw error
    }
    shown.arrive(size)
    reads.passed(read)
  }

  async #upload(number: number, piece: BodyPiece, size: number, signal: AbortSignal): Promise<UploadedPart> {
    const { targetKey, uploadId } = this.#parts.note.record
    const { multipart } = this.#context.to.adapter
    try {
      const part = await multipart.uploadPart(targetKey, uploadId ?? '', number, piece, { size, signal })
      if (part.size !== size) throw wrongSize(this.#parts, part.size, size)
      return part
    } catch (error) {
      piece.destroy()
      throw error
    }
  }

  /** The read outlives the unit that opens it, but not the object's transfer. */
  async #open(first: number, end: number, unit: AbortSignal) {
    const { job, note } = this.#parts
    const { source, partSize } = note.record
    const control = new AbortController()
    const stop = (): void => control.abort(unit.reason)
    const start = (first - 1) * partSize
    const range = { start, length: Math.min((end - 1) * partSize, source.size) - start }
    const pin = { key: job.source.key, size: source.size, etag: source.etag, versionId: source.versionId }
    unit.addEventListener('abort', stop, { once: true })
    try {
      return (await openRange(this.#context, pin, range, AbortSignal.any([control.signal, this.#signal]))).body
    } finally {
      unit.removeEventListener('abort', stop)
    }
  }
}
