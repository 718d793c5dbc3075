import { isIP } from 'node:net'

/** An address as its bytes: 4 or 16 of them. */
export type AddressBytes = readonly number[]

/**
 * The bytes of an IP address in its usual notation (also `::ffff:1.2.3.4`, also with a zone such as `%eth0`), or `undefined`. IPv4 in
 * other notations (`127.1`, `0x7f000001`) is no address here.
 */
export function parseAddress(text: string): AddressBytes | undefined {
  const address = text.replace(/%[^%]*$/, '')
  switch (isIP(address)) {
    case 4:
      return address.split('.').map(Number)
    case 6:
      return parseV6(address)
    default:
      return undefined
  }
}

/** The notation was checked already. */
function parseV6(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  return [...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after]
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** True when the first `length` bits are those of `prefix`. Addresses of different families have nothing in common. */
export function hasPrefix(address: AddressBytes, prefix: AddressBytes, length: number): boolean {
  if (address.length !== prefix.length) return false
  return address.every((byte, i) => {
    const bits = Math.max(0, Math.min(8, length - i * 8))
    return ((byte ^ (prefix[i] ?? 0)) & (0xff << (8 - bits)) & 0xff) === 0
  })
}
