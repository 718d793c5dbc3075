/** The weight of the last round in the share of refusals. */
const weight = 0.25

/**
 * How much a store that refuses for being asked too much is asked at a time. After every round it is one piece more when nothing was refused,
 * and fewer by half the share that was: a store that refuses everything is asked half as much, one that refuses a few a little less.
 * So it comes to rest just where the store begins to refuse (as TCP does by RFC 8257, DCTCP).
 */
export class Brake {
  /** Pieces at a time, at most; infinite until something is refused. */
  limit: number = Number.POSITIVE_INFINITY
  #share = 1
  #ended = 0
  #refused = 0

  /** Notes how many requests of a piece were refused. @param current pieces that may be under way now */
  note(refused: number, current: number): void {
    if (this.limit === Number.POSITIVE_INFINITY && refused === 0) return
    this.#ended++
    if (refused > 0) this.#refused++
    const isFirst = this.limit === Number.POSITIVE_INFINITY
    if (!isFirst && this.#ended < current) return
    const share = this.#refused / this.#ended
    this.#share = isFirst ? 1 : this.#share * (1 - weight) + share * weight
    this.limit = this.#refused === 0 ? current + 1 : Math.max(1, Math.floor(current * (1 - this.#share / 2)))
    this.#ended = 0
    this.#refused = 0
  }
}
