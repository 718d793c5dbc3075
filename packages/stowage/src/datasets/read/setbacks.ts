import type { Clock, ErrorCode } from '@stowage/core'

/** How long a source that was silent comes last, in milliseconds. Its health says what is to be made of it for longer. */
const LAST = 5000

/**
 * Sources that were silent a moment ago. What a read asks for before its first byte (the manifest, the digests of the blocks) and what other
 * reads ask for at the same time must not wait for the same source once more, each for itself.
 */
export class Setbacks {
  readonly #clock: Clock
  readonly #shared: Setbacks | undefined
  readonly #noted = new Map<string, { at: number; code: ErrorCode }>()

  /** @param shared what is known to all reads, for the setbacks of one of them */
  constructor(clock: Clock, shared?: Setbacks) {
    this.#clock = clock
    this.#shared = shared
  }

  /** A source gave nothing for as long as somebody was ready to wait. All reads hear of it. */
  note(sourceId: string): void {
    if (this.#shared === undefined) this.noteHere(sourceId, 'timeout')
    else this.#shared.note(sourceId)
  }

  /** A source failed one read. Others ask it all the same: it may be one object that is ill. */
  noteHere(sourceId: string, code: ErrorCode): void {
    this.#noted.set(sourceId, { at: this.#clock.now(), code })
  }

  /** A source answered. */
  clear(sourceId: string): void {
    this.#noted.delete(sourceId)
    this.#shared?.clear(sourceId)
  }

  /** Why a source comes last now; `undefined` when it does not. */
  of(sourceId: string): ErrorCode | undefined {
    const noted = this.#noted.get(sourceId)
    const since = this.#clock.now() - (noted?.at ?? Number.NaN)
    // A clock that was set back makes nothing last.
    return since >= 0 && since < LAST ? noted?.code : this.#shared?.of(sourceId)
  }

  /** The same places, those with a setback last. */
  order<T extends { sourceId: string }>(places: readonly T[]): T[] {
    const isLast = ({ sourceId }: T) => this.of(sourceId) !== undefined
    return [...places.filter((place) => !isLast(place)), ...places.filter(isLast)]
  }
}
