/**
 * CRC-64/XZ (polynomial of ECMA-182, reflected), which OSS tells of every object as `x-oss-hash-crc64ecma`. Eight bytes a step, by
 * eight tables (slicing), each a pair of 32-bit halves, since 64-bit integers of JavaScript are slow.
 */
const polynomial = 0xc96c5795d7870f42n
const mask = 0xffffffffffffffffn

/** `tables[2 * slice]` has the low halves, `tables[2 * slice + 1]` the high ones, one after another in a single array. */
const tables: Int32Array = makeTables()

function makeTables(): Int32Array {
  const made = new Int32Array(16 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
    made[byte] = Number(crc & 0xffffffffn)
    made[256 + byte] = Number(crc >> 32n)
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const lo = made[(slice - 1) * 512 + byte] as number
      const hi = made[(slice - 1) * 512 + 256 + byte] as number
      made[slice * 512 + byte] = ((lo >>> 8) | (hi << 24)) ^ (made[lo & 255] as number)
      made[slice * 512 + 256 + byte] = (hi >>> 8) ^ (made[256 + (lo & 255)] as number)
    }
  }
  return made
}

/** The checksum of bytes as they pass. */
export class Crc64 {
  #lo = 0xffffffff | 0
  #hi = 0xffffffff | 0

  update(bytes: Uint8Array): this {
    const t = tables as unknown as { [index: number]: number }
    const data = bytes as { [index: number]: number }
    let lo = this.#lo
    let hi = this.#hi
    const end = bytes.length
    const stepped = end - (end % 8)
    let at = 0
    for (; at < stepped; at += 8) {
      lo ^=
        (data[at] as number) |
        ((data[at + 1] as number) << 8) |
        ((data[at + 2] as number) << 16) |
        ((data[at + 3] as number) << 24)
      hi ^=
        (data[at + 4] as number) |
        ((data[at + 5] as number) << 8) |
        ((data[at + 6] as number) << 16) |
        ((data[at + 7] as number) << 24)
      const a = 3584 + (lo & 255)
      const b = 3072 + ((lo >>> 8) & 255)
      const c = 2560 + ((lo >>> 16) & 255)
      const d = 2048 + (lo >>> 24)
      const e = 1536 + (hi & 255)
      const f = 1024 + ((hi >>> 8) & 255)
      const g = 512 + ((hi >>> 16) & 255)
      const h = hi >>> 24
      lo =
        (t[a] as number) ^
        (t[b] as number) ^
        (t[c] as number) ^
        (t[d] as number) ^
        (t[e] as number) ^
        (t[f] as number) ^
        (t[g] as number) ^
        (t[h] as number)
      hi =
        (t[a + 256] as number) ^
        (t[b + 256] as number) ^
        (t[c + 256] as number) ^
        (t[d + 256] as number) ^
        (t[e + 256] as number) ^
        (t[f + 256] as number) ^
        (t[g + 256] as number) ^
        (t[h + 256] as number)
    }
    for (; at < end; at++) {
      const index = (lo ^ (data[at] as number)) & 255
      lo = ((lo >>> 8) | (hi << 24)) ^ (t[index] as number)
      hi = (hi >>> 8) ^ (t[256 + index] as number)
    }
    this.#lo = lo
    this.#hi = hi
    return this
  }

  /** The checksum of what has passed so far. */
  get value(): bigint {
    return (BigInt(~this.#hi >>> 0) << 32n) | BigInt(~this.#lo >>> 0)
  }
}

/** A checksum as {@link Checksum} carries it: base64 of its big-endian bytes. */
export function crc64Base64(value: bigint): string {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes.toString('base64')
}

/** The value of a checksum in base64, or `undefined` when it is none. */
export function crc64FromBase64(text: string): bigint | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === 8 ? bytes.readBigUInt64BE() : undefined
}

/** The value of `x-oss-hash-crc64ecma`, a decimal number. */
export function crc64FromHeader(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined
  const value = BigInt(text)
  return value <= mask ? value : undefined
}

/** Joins checksums of parts to that of the whole, in order. `length` in bytes. */
export function combineCrc64(parts: Iterable<{ crc: bigint; length: number }>): bigint {
  let whole = 0n
  for (const { crc, length } of parts) whole = shift(whole, length) ^ crc
  return whole
}

/** Matrices over GF(2): row i is what bit i becomes. `squares[k]` moves a checksum over 2^k bytes of zeros. */
const squares: bigint[][] = []

function squareOf(power: number): readonly bigint[] {
  for (let next = squares.length; next <= power; next++) {
    squares.push(next === 0 ? oneByte() : multiply(squares[next - 1] as bigint[]))
  }
  return squares[power] as bigint[]
}

function oneByte(): bigint[] {
  return Array.from({ length: 64 }, (_, bit) => {
    let crc = 1n << BigInt(bit)
    for (let i = 0; i < 8; i++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
    return crc
  })
}

function multiply(matrix: readonly bigint[]): bigint[] {
  return matrix.map((row) => apply(matrix, row))
}

function apply(matrix: readonly bigint[], value: bigint): bigint {
  let result = 0n
  for (let bit = 0, left = value; left !== 0n; bit++, left >>= 1n)
    if ((left & 1n) === 1n) result ^= matrix[bit] as bigint
  return result
}

/** What a checksum becomes when so many zeros follow. */
function shift(crc: bigint, length: number): bigint {
  let moved = crc
  for (let power = 0, left = length; left >= 1; power++, left = Math.floor(left / 2)) {
    if (left % 2 === 1) moved = apply(squareOf(power), moved)
  }
  return moved
}
