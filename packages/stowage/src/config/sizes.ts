const factors: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
}

/** Reads bytes such as `1048576`, `500G` or `1.5TiB`, by powers of 1024; `undefined` when they are none. */
export function bytesIn(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)\s?(?:([kmgtp])i?b?|b)?$/i.exec(text.trim())
  const factor = factors[match?.[2]?.toLowerCase() ?? '']
  if (match === null || factor === undefined) return undefined
  // There is no half a byte.
  if (factor === 1 && match[1]?.includes('.')) return undefined
  const bytes = Math.round(Number(match[1]) * factor)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
