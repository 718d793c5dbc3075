/** A reflected CRC of up to 64 bits. */
export interface CrcKind {
  /** bits */
  readonly width: number
  /** Reflected. */
  readonly polynomial: bigint
}

/** One part of the whole: its checksum, and its length in bytes. */
export interface CrcPart {
  crc: bigint
  length: number
}

/** Joins checksums of parts to that of the whole, in order, without the bytes. */
export function combineCrc(kind: CrcKind, parts: Iterable<CrcPart>): bigint {
  const shifts = shiftsOf(kind)
  let whole = 0n
  for (const { crc, length } of parts) whole = shifts.over(whole, length) ^ crc
  return whole
}

const known = new Map<bigint, Shifts>()

function shiftsOf(kind: CrcKind): Shifts {
  const shifts = known.get(kind.polynomial) ?? new Shifts(kind)
  known.set(kind.polynomial, shifts)
  return shifts
}

/** What a checksum becomes when zeros follow, by matrices over GF(2): row i is what bit i becomes. */
class Shifts {
  readonly #kind: CrcKind
  /** `[k]` moves a checksum over 2^k bytes of zeros. */
  readonly #squares: bigint[][] = []

  constructor(kind: CrcKind) {
    this.#kind = kind
  }

  /** What a checksum becomes when so many zeros follow. */
  over(crc: bigint, length: number): bigint {
    let moved = crc
    for (let power = 0, left = length; left >= 1; power++, left = Math.floor(left / 2)) {
      if (left % 2 === 1) moved = apply(this.#squareOf(power), moved)
    }
    return moved
  }

  #squareOf(power: number): readonly bigint[] {
    for (let next = this.#squares.length; next <= power; next++) {
      const before = this.#squares[next - 1]
      this.#squares.push(before === undefined ? this.#oneByte() : before.map((row) => apply(before, row)))
    }
    return this.#squares[power] as bigint[]
  }

  #oneByte(): bigint[] {
    const { width, polynomial } = this.#kind
    return Array.from({ length: width }, (_, bit) => {
      let crc = 1n << BigInt(bit)
      for (let i = 0; i < 8; i++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
      return crc
    })
  }
}

function apply(matrix: readonly bigint[], value: bigint): bigint {
  let result = 0n
  for (let bit = 0, left = value; left !== 0n; bit++, left >>= 1n)
    if ((left & 1n) === 1n) result ^= matrix[bit] as bigint
  return result
}
