import { randomBytes } from 'node:crypto'

/** Chance as a parameter, so that tests repeat. */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number
  /** A new identifier: 26 characters, lower case, sorted by time of creation (a ULID). */
  id(now: number): string
}

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** A ULID in lower case: 48 bits of time in milliseconds, then 80 bits of chance, in Crockford's base 32. */
export function ulid(now: number, chance: Uint8Array): string {
  let id = ''
  let time = Math.floor(now)
  for (let i = 0; i < 10; i++) {
    id = alphabet[time % 32] + id
    time = Math.floor(time / 32)
  }
  for (let i = 0; i < 16; i++) {
    const bit = i * 5
    const pair = ((chance[bit >> 3] ?? 0) << 8) | (chance[(bit >> 3) + 1] ?? 0)
    id += alphabet[(pair >> (11 - (bit & 7))) & 31]
  }
  return id
}

/** The machine's source of chance. */
export const systemRandom: Random = {
  next: () => Math.random(),
  id: (now) => ulid(now, randomBytes(10)),
}
