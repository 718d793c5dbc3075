/** Counts of bytes, of a run or of a part of it. */
export class Bytes {
  /** That came into the target: sent from here, or copied by the store itself. It never falls. */
  arrived = 0
  /** Of these, the ones that were sent from here. */
  sent = 0
  /** That are on their way, of pieces that pass as they come. */
  passing = 0
  /** That an earlier run had sent and that were not sent again. */
  resumed = 0
  /** Of all objects that are to be brought over, as far as known. */
  total = 0
  /** Of {@link total}, what need not be brought any more: it arrived, was resumed, or its object failed. */
  settled = 0

  /** What is still to come. */
  get left(): number {
    return this.total - this.settled
  }
}

/** A piece of an object that passes as it comes: its bytes show while they are on their way. */
export interface Piece {
  /** Some of it went on its way. */
  pass: (bytes: number) => void
  /** Some of it goes out, although it shows only when all of it is there. */
  moves: () => void
  /** All of it is in the target. */
  arrive: (bytes: number) => void
  /** What was on its way is of no use. */
  fail: () => void
}

/**
 * The bytes of one object on their way. However often it is begun anew, it counts for as much as it is large, and no more of it is settled than
 * that: so what is left never falls below zero, and is zero in the end.
 */
export class ObjectBytes {
  readonly #counts: readonly Bytes[]
  readonly #onMoved: (bytes: number) => void
  readonly #onVain: (bytes: number) => void
  readonly #onPiece: () => () => void
  #size = 0
  #settled = 0
  #resumed = 0
  /** Whether anything was sent here since it was begun. */
  #sent = false
  #earlier = false
  #over = false

  /**
   * @param counts all that it counts in
   * @param onMoved told of bytes that arrived, or went on their way
   * @param onVain told of bytes that were on their way in vain
   * @param onPiece asked for each piece; what it returns is told whenever some of that piece went on its way
   */
  constructor(
    size: number,
    counts: readonly Bytes[],
    onMoved: (bytes: number) => void,
    onVain: (bytes: number) => void,
    onPiece: () => () => void = () => () => undefined,
  ) {
    this.#counts = counts
    this.#onMoved = onMoved
    this.#onVain = onVain
    this.#onPiece = onPiece
    this.resize(size)
  }

  /** Notes bytes that were sent from here and are in the target. */
  sent(bytes: number): void {
    for (const counts of this.#counts) counts.sent += bytes
    this.copied(bytes)
  }

  /** Notes bytes that the store itself copied. */
  copied(bytes: number): void {
    this.#arrive(bytes)
    this.#onMoved(bytes)
  }

  /** A piece to be sent. Whatever becomes of it, what it showed on its way is not counted twice. */
  piece(): Piece {
    let passed = 0
    const goesOn = this.#onPiece()
    const end = (): number => {
      const shown = passed
      passed = 0
      for (const counts of this.#counts) counts.passing -= shown
      return shown
    }
    return {
      moves: goesOn,
      pass: (bytes) => {
        passed += bytes
        goesOn()
        for (const counts of this.#counts) counts.passing += bytes
        this.#onMoved(bytes)
      },
      arrive: (bytes) => {
        const shown = end()
        for (const counts of this.#counts) counts.sent += bytes
        this.#arrive(bytes)
        this.#onMoved(Math.max(0, bytes - shown))
      },
      fail: () => {
        this.#onVain(end())
      },
    }
  }

  #arrive(bytes: number): void {
    for (const counts of this.#counts) counts.arrived += bytes
    this.#sent = true
    this.#settle(this.#settled + bytes)
  }

  /** Begins anew: nothing that was sent before is of use. */
  restart(): void {
    this.#sent = false
    this.#earlier = false
    this.#goOn(0, 0)
  }

  /**
   * Goes on with so many bytes in the target, whatever was noted before.
   * @param earlier whether an earlier run began it: what that one had sent is not sent again
   */
  resume(there: number, earlier: boolean): void {
    this.#earlier ||= earlier
    this.#goOn(there, this.#earlier && !this.#sent ? there : Math.min(there, this.#resumed))
  }

  #goOn(there: number, resumed: number): void {
    this.#settle(there)
    for (const counts of this.#counts) counts.resumed += resumed - this.#resumed
    this.#resumed = resumed
  }

  /** The object has another size than it was listed with. */
  resize(size: number): void {
    for (const counts of this.#counts) counts.total += size - this.#size
    this.#size = size
    this.#settle(this.#settled)
  }

  /** Nothing more is to come: it is there, or failed for good. */
  end(): void {
    this.#settle(this.#size)
    this.#over = true
  }

  /** It is not to be brought over after all. */
  drop(): void {
    this.resize(0)
    this.#over = true
  }

  #settle(bytes: number): void {
    if (this.#over) return
    const settled = Math.min(bytes, this.#size)
    for (const counts of this.#counts) counts.settled += settled - this.#settled
    this.#settled = settled
  }
}
