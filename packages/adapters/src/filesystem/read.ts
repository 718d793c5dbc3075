import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { errnoOf, StowageError } from '@stowage/core'
import { aborted } from '../shared/index.ts'
import type { Context } from './context.ts'
import { isMissing, mapFsError } from './errors.ts'
import { etagOf, type FileStatus } from './etag.ts'

const chunkBytes = 256 * 1024

/** An open file and its status at that moment. */
export interface OpenFile {
  readonly handle: FileHandle
  readonly status: FileStatus
  readonly path: string
}

/** Opens the file of a key for reading; `undefined` when there is none. The caller closes it. */
export async function openForReading(context: Context, key: string): Promise<OpenFile | undefined> {
  const { place, fs } = context
  const path = await place.realPathOf(key)
  if (path === undefined) return undefined
  let handle: FileHandle
  try {
    // Not through a link put in place meanwhile, and without waiting for the writer of a pipe.
    handle = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const code = errnoOf(error)
    if (isMissing(error) || code === 'ELOOP' || code === 'ENXIO') return undefined
    throw error
  }
  try {
    const status = await handle.stat({ bigint: true })
    if (status.isFile()) return { handle, status, path }
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  return undefined
}

/** The status of the file of a key; `undefined` when there is none. */
export async function statusOf(context: Context, key: string): Promise<FileStatus | undefined> {
  const path = await context.place.realPathOf(key)
  if (path === undefined) return undefined
  try {
    const status = await context.fs.lstat(path, { bigint: true })
    return status.isFile() ? status : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/**
 * The bytes of an open file, as long as the file said when it was opened. Fails with `integrity` when the file became shorter, and with
 * `source-changed` when it was written to meanwhile. Closes the file.
 */
export class FileBody extends Readable {
  readonly #context: Context
  readonly #key: string
  readonly #file: OpenFile
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => {
    this.destroy(aborted(this.#signal))
  }
  #position: number
  #left: number
  /** Memory that was given back, to be read into again. */
  #used: Buffer | undefined
  #busy: Promise<void> = Promise.resolve()

  constructor(
    context: Context,
    key: string,
    file: OpenFile,
    range: { start: number; length: number },
    signal: AbortSignal | undefined,
  ) {
    super({ highWaterMark: chunkBytes })
    this.#context = context
    this.#key = key
    this.#file = file
    this.#position = range.start
    this.#left = range.length
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Takes back a chunk that nobody looks at any more, to read into it again. */
  takeBack({ buffer }: Uint8Array): void {
    if (buffer.byteLength === chunkBytes && this.listenerCount('data') < 2) this.#used = Buffer.from(buffer)
  }

  override _read(): void {
    this.#busy = this.#next().catch((error: unknown) => {
      this.destroy(mapFsError(this.#context.adapter, error, JSON.stringify(this.#key), this.#key))
    })
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    // The descriptor must not be closed, and its number given to another file, under a running read.
    this.#busy
      .then(() => this.#file.handle.close())
      .then(
        () => callback(error),
        (closing: Error) => callback(error ?? closing),
      )
  }

  async #next(): Promise<void> {
    if (this.#left === 0) {
      await this.#assertUnchanged()
      this.push(null)
      return
    }
    const size = Math.min(chunkBytes, this.#left)
    const buffer = this.#used?.subarray(0, size) ?? Buffer.allocUnsafeSlow(size)
    this.#used = undefined
    const { bytesRead } = await this.#file.handle.read(buffer, 0, buffer.length, this.#position)
    if (this.destroyed) return
    if (bytesRead === 0)
      throw this.#failure('integrity', `became shorter while it was read: ${this.#left} bytes are missing`)
    this.#position += bytesRead
    this.#left -= bytesRead
    this.push(bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead))
  }

  async #assertUnchanged(): Promise<void> {
    const now = await this.#file.handle.stat({ bigint: true })
    if (etagOf(now) !== etagOf(this.#file.status))
      throw this.#failure('source-changed', 'was written to while it was read')
  }

  #failure(code: 'integrity' | 'source-changed', what: string): StowageError {
    const { id } = this.#context.adapter
    return new StowageError(code, `${id}: ${JSON.stringify(this.#key)} ${what}.`, { key: this.#key, sourceId: id })
  }
}
