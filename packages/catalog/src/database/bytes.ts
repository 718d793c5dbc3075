import { StowageError } from '@stowage/core'

/**
 * An id, name, key or path as the bytes a column holds.
 * @throws StowageError `invalid-request` for a lone surrogate: two such texts would become the same bytes
 */
export function toBytes(text: string, field: string): Uint8Array {
  if (!text.isWellFormed()) {
    throw new StowageError('invalid-request', `The ${field} is not valid Unicode (a lone surrogate).`, { field })
  }
  return Buffer.from(text, 'utf8')
}

/** The text that {@link toBytes} was given. */
export function fromBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** The smallest bytes above every text that begins with this prefix, or `undefined` when there is no upper end. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  for (let end = prefix.length; end > 0; end--) {
    const last = prefix[end - 1] as number
    if (last === 0xff) continue
    // A copy: `slice` of a Buffer would share its memory.
    const above = Uint8Array.from(prefix.subarray(0, end))
    above[end - 1] = last + 1
    return above
  }
  return undefined
}
