/*
 * A 64-bit hash in two lanes of 32 bits (the mixing of MurmurHash3), since JavaScript multiplies no larger integers without BigInt.
 * It spreads well and is the same everywhere; it is not meant to withstand an attacker.
 */

/** Two lanes of 32 bits, unsigned. */
export type Lanes = readonly [high: number, low: number]

const start: Lanes = [0x9e3779b9, 0x85ebca6b]

/** Hashes a text, going on from an earlier hash when one is given, so that parts need not be joined. */
export function hashText(text: string, from: Lanes = start): Lanes {
  let a = from[0] ^ text.length
  let b = from[1] ^ text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    a = rotate(Math.imul(a ^ unit, 0xcc9e2d51), 15) ^ b
    b = rotate(Math.imul(b ^ unit, 0x1b873593), 13) + a
  }
  return [finish(a + Math.imul(b, 5)), finish(b ^ rotate(a, 16))]
}

/** A hash as a number above 0 and below 1: the middle of one of 2^52 steps, since with 2^53 the last would be rounded up to 1. */
export function toUnit([high, low]: Lanes): number {
  return (high * 0x100000 + (low >>> 12) + 0.5) / 0x10000000000000
}

/** A hash as 16 hexadecimal digits. */
export function toHex([high, low]: Lanes): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}

function finish(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
