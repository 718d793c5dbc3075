/**
 * CRCs of 64 bits whose bits are reflected and inverted, as stores use them. Eight bytes a step, by eight tables (slicing), each a pair of
 * 32-bit halves, since 64-bit integers of JavaScript are slow.
 */

/** CRC-64/XZ (ECMA-182), which OSS tells of every object as `x-oss-hash-crc64ecma`. */
export const crc64Ecma = 0xc96c5795d7870f42n
/** CRC-64/NVME, which AWS S3 computes of every object that comes without another checksum. */
export const crc64Nvme = 0x9a6c9329ac4bc9b5n

/** Made when they are first needed: 16 KiB for each polynomial. */
const made = new Map<bigint, Int32Array>()

function tablesOf(polynomial: bigint): Int32Array {
  const known = made.get(polynomial) ?? makeTables(polynomial)
  made.set(polynomial, known)
  return known
}

/** `[2 * slice]` has the low halves, `[2 * slice + 1]` the high ones, one after another in a single array. */
function makeTables(polynomial: bigint): Int32Array {
  const tables = new Int32Array(16 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
    tables[byte] = Number(crc & 0xffffffffn)
    tables[256 + byte] = Number(crc >> 32n)
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const lo = tables[(slice - 1) * 512 + byte] as number
      const hi = tables[(slice - 1) * 512 + 256 + byte] as number
      tables[slice * 512 + byte] = ((lo >>> 8) | (hi << 24)) ^ (tables[lo & 255] as number)
      tables[slice * 512 + 256 + byte] = (hi >>> 8) ^ (tables[256 + (lo & 255)] as number)
    }
  }
  return tables
}

/** The checksum of bytes as they pass. */
export class Crc64 {
  readonly #tables: Int32Array
  #lo = 0xffffffff | 0
  #hi = 0xffffffff | 0

  /** @param polynomial reflected */
  constructor(polynomial: bigint) {
    this.#tables = tablesOf(polynomial)
  }

  update(bytes: Uint8Array): this {
    const t = this.#tables as unknown as { [index: number]: number }
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

/** A checksum as stores write it: base64 of its big-endian bytes. */
export function crc64Base64(value: bigint): string {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes.toString('base64')
}
