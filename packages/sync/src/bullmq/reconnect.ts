/**
 * How a client comes back to a Redis that was away. Once it is to be closed it stops trying: a client that goes on keeps its process from
 * ending, for as long as Redis is away.
 */
export class Reconnect {
  #over = false

  /** Milliseconds until the next try; `null` for none. */
  readonly strategy = (times: number): number | null =>
    this.#over ? null : Math.min(2000, 50 * 2 ** Math.min(times, 6))

  /** A connection that is there stays until it is closed. */
  stop(): void {
    this.#over = true
  }
}
