import { type Clock, type GetOptions, type ObjectInfo, type StorageAdapter, StowageError } from '@stowage/core'
import { BodyChunks } from './body-chunks.ts'
import { type StallLimits, StallWatch } from './stall-watch.ts'

/** How long a reader goes without a byte, in milliseconds, unless told otherwise. */
const STALL = 3000

/** Bytes a second below which a source is left. */
const SLOW = 65_536

/** The limits of one request: what is left of the reader's own limit is for the next source to begin. */
export function limitsOf(stallMs: number = STALL, minBytesPerSecond: number = SLOW): StallLimits {
  return { silenceMs: stallMs * 0.75, minBytesPerSecond }
}

/** One request for bytes, which can be held to limits, and that leaves nothing open once it was closed. */
export class WatchedGet {
  readonly #watch: StallWatch
  readonly #stop = new AbortController()
  #chunks: BodyChunks | undefined

  constructor(limits: StallLimits, clock: Clock) {
    this.#watch = new StallWatch(limits, clock)
  }

  /**
   * Asks for the bytes.
   * @param limited whether to hold the source to the limits
   * @throws StowageError `timeout` when it stays silent, `aborted` when this was closed meanwhile, and what the adapter throws
   */
  async open(
    adapter: () => Promise<StorageAdapter>,
    key: string,
    options: GetOptions,
    limited: boolean,
  ): Promise<ObjectInfo> {
    const { signal } = options
    const stop = this.#stop.signal
    const both = signal === undefined ? stop : AbortSignal.any([signal, stop])
    const answer = adapter().then((one) => one.get(key, { ...options, signal: both }))
    try {
      const { body, info } = await (limited ? this.#watch.wait(answer) : answer)
      if (stop.aborted) throw new StowageError('aborted', 'The read was ended.')
      this.#chunks = new BodyChunks(body)
      return info
    } catch (error) {
      this.#stop.abort()
      // One that answers after all must not keep its connection.
      answer.then(
        ({ body }) => body.destroy(),
        () => undefined,
      )
      throw error
    }
  }

  /** The bytes that come next; `undefined` at the end. @throws StowageError `timeout` when limited and silent, and what the adapter throws */
  async next(limited: boolean): Promise<Uint8Array | undefined> {
    const chunks = this.#chunks as BodyChunks
    return chunks.poll() ?? (await (limited ? this.#watch.wait(chunks.next()) : chunks.next()))
  }

  /** Gives back bytes that {@link next} gave and that nobody looks at any more, to be read into again. */
  takeBack(bytes: Uint8Array): void {
    this.#chunks?.takeBack(bytes)
  }

  /** Counts what came. Returns whether it comes too slowly. */
  isSlow(bytes: number): boolean {
    return this.#watch.isSlow(bytes)
  }

  close(): void {
    this.#watch.stop()
    // Before the signal, which would have it fail: of a body that nobody reads yet nobody hears the error.
    this.#chunks?.destroy()
    this.#stop.abort()
  }
}

/** The bytes of an object as they come. @throws StowageError `timeout` when limited and silent or slow, and what the adapter throws */
export async function* watchedBytes(
  place: { adapter: () => Promise<StorageAdapter> },
  key: string,
  options: GetOptions & { limits: StallLimits; clock: Clock; limited: boolean },
): AsyncGenerator<Uint8Array> {
  const { limits, clock, limited, ...call } = options
  const get = new WatchedGet(limits, clock)
  try {
    await get.open(place.adapter, key, call, limited)
    for (let bytes = await get.next(limited); bytes !== undefined; bytes = await get.next(limited)) {
      if (limited && get.isSlow(bytes.length)) throw tooSlow()
      yield bytes
    }
  } finally {
    get.close()
  }
}

export function tooSlow(): StowageError {
  return new StowageError('timeout', 'The source gives its bytes too slowly.')
}
