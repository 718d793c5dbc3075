/**
 * Compares two keys in the order of their UTF-8 bytes, which is how object stores list.
 *
 * JavaScript's `<` compares UTF-16 code units; the two orders differ when one side has a character above U+FFFF
 * (a surrogate pair, 0xD800 to 0xDFFF) and the other one from U+E000 to U+FFFF. Both strings must be well formed.
 *
 * @returns a negative number, zero or a positive number, as `Array.prototype.sort` wants it
 */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return utf8Rank(x) - utf8Rank(y)
  }
  return a.length - b.length
}

/** Moves surrogates (first bytes F0 to F4 in UTF-8) above U+E000 to U+FFFF (first bytes EE and EF). */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}

/** The number of bytes of a string in UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
