/**
 * CRC-64/XZ (ECMA-182, reflected), which OSS tells as `x-oss-hash-crc64ecma`. A byte at a time and nothing clever: the adapter's own
 * is fast, and is held against this one.
 */
const polynomial = 0xc96c5795d7870f42n
const low = new Uint32Array(256)
const high = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
  low[byte] = Number(crc & 0xffffffffn)
  high[byte] = Number(crc >> 32n)
}

/** The checksum of these bytes. */
export function crc64(bytes: Uint8Array): bigint {
  let lo = 0xffffffff
  let hi = 0xffffffff
  for (let at = 0; at < bytes.length; at++) {
    const index = (lo ^ (bytes[at] as number)) & 0xff
    lo = ((lo >>> 8) | (hi << 24)) ^ (low[index] as number)
    hi = (hi >>> 8) ^ (high[index] as number)
  }
  return (BigInt(~hi >>> 0) << 32n) | BigInt(~lo >>> 0)
}
