/** The CRC-32 polynomial, bits reversed. */
const polynomial = 0xedb88320

/**
 * The CRC-32 of two byte sequences one after the other, from the CRC-32 of each and the length of the second: appending n zero bytes to the
 * first is a linear map over its 32 bits, and its n-th power comes from squaring (Mark Adler's `crc32_combine` in zlib).
 */
export function crc32Combine(first: number, second: number, secondLength: number): number {
  if (secondLength === 0) return first
  // The map of one zero bit, then of two, four; the first round of the loop makes it one of a whole byte.
  let power = square(square(oneZeroBit()))
  let crc = first
  for (let left = secondLength; left > 0; left = Math.floor(left / 2)) {
    power = square(power)
    if (left % 2 === 1) crc = apply(power, crc)
  }
  return (crc ^ second) >>> 0
}

function oneZeroBit(): Uint32Array {
  const map = new Uint32Array(32)
  map[0] = polynomial
  for (let bit = 1; bit < 32; bit++) map[bit] = 2 ** (bit - 1)
  return map
}

function apply(map: Uint32Array, vector: number): number {
  let sum = 0
  for (let bit = 0, rest = vector >>> 0; rest !== 0; bit++, rest >>>= 1) if (rest & 1) sum ^= map[bit] ?? 0
  return sum >>> 0
}

function square(map: Uint32Array): Uint32Array {
  return map.map((vector) => apply(map, vector))
}
