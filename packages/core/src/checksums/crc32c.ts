/** Castagnoli's polynomial, reflected. */
export const crc32cPolynomial = 0x82f63b78

const slices = 16
let tables: Int32Array | undefined

function makeTables(): Int32Array {
  const made = new Int32Array(slices * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ crc32cPolynomial : crc >>> 1
    made[byte] = crc
  }
  for (let at = 256; at < made.length; at++) {
    const before = made[at - 256] as number
    made[at] = (before >>> 8) ^ (made[before & 255] as number)
  }
  return made
}

/**
 * The CRC-32C (Castagnoli) of bytes, or of bytes that follow others. Sixteen bytes a step, by sixteen tables; Node computes only the
 * CRC-32 of zlib natively.
 *
 * @param before the checksum of the bytes before these
 */
export function crc32c(bytes: Uint8Array, before = 0): number {
  tables ??= makeTables()
  const t = tables as unknown as { [index: number]: number }
  const data = bytes as unknown as { [index: number]: number }
  const end = bytes.length
  const stepped = end - (end % slices)
  let crc = ~before
  let at = 0
  for (; at < stepped; at += slices) {
    crc ^=
      (data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24)
    const a = (t[3840 + (crc & 255)] as number) ^ (t[3584 + ((crc >>> 8) & 255)] as number)
    const b = (t[3328 + ((crc >>> 16) & 255)] as number) ^ (t[3072 + (crc >>> 24)] as number)
    const c = (t[2816 + (data[at + 4] as number)] as number) ^ (t[2560 + (data[at + 5] as number)] as number)
    const d = (t[2304 + (data[at + 6] as number)] as number) ^ (t[2048 + (data[at + 7] as number)] as number)
    const e = (t[1792 + (data[at + 8] as number)] as number) ^ (t[1536 + (data[at + 9] as number)] as number)
    const f = (t[1280 + (data[at + 10] as number)] as number) ^ (t[1024 + (data[at + 11] as number)] as number)
    const g = (t[768 + (data[at + 12] as number)] as number) ^ (t[512 + (data[at + 13] as number)] as number)
    const h = (t[256 + (data[at + 14] as number)] as number) ^ (t[data[at + 15] as number] as number)
    crc = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t[(crc ^ (data[at] as number)) & 255] as number)
  return ~crc >>> 0
}
