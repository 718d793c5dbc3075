import { type AddressBytes, hasPrefix, parseAddress } from './parse.ts'

/**
 * What an address leads to. `metadata`: a cloud's service that hands credentials to whoever asks from inside. `reserved`: nothing
 * that a store may have, such as documentation, multicast and ranges not given out.
 */
export type AddressKind = 'public' | 'loopback' | 'private' | 'link-local' | 'metadata' | 'unspecified' | 'reserved'

type Range = readonly [cidr: string, kind: AddressKind]

/**
 * The first that fits decides, so single addresses stand before the ranges that they lie in. From the IANA special-purpose registries
 * (RFC 6890 and its updates) and from the clouds' documentation of their metadata services.
 */
const ranges: readonly Range[] = [
  // AWS, GCP, Azure, OpenStack, Oracle, DigitalOcean; the whole of link-local goes too.
  ['169.254.169.254/32', 'metadata'],
  // AWS: credentials of containers.
  ['169.254.170.2/32', 'metadata'],
  ['169.254.170.23/32', 'metadata'],
  // Alibaba Cloud.
  ['100.100.100.200/32', 'metadata'],
  // Azure's wire server.
  ['168.63.129.16/32', 'metadata'],
  // Oracle's older one.
  ['192.0.0.192/32', 'metadata'],
  // AWS over IPv6: instances (::254), containers (::23), and what else it puts there.
  ['fd00:ec2::/32', 'metadata'],
  // GCP over IPv6.
  ['fd20:ce::254/128', 'metadata'],
  ['0.0.0.0/8', 'unspecified'],
  ['10.0.0.0/8', 'private'],
  // Carriers' shared space; Alibaba's internal OSS endpoints lie in it.
  ['100.64.0.0/10', 'private'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'reserved'],
  ['192.88.99.0/24', 'reserved'],
  ['192.168.0.0/16', 'private'],
  // For benchmarks by its RFC; in practice what local proxies answer to DNS.
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'reserved'],
  ['203.0.113.0/24', 'reserved'],
  ['224.0.0.0/3', 'reserved'],
  ['0.0.0.0/0', 'public'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['64:ff9b:1::/48', 'private'],
  ['2001::/23', 'reserved'],
  ['2001:db8::/32', 'reserved'],
  ['3fff::/20', 'reserved'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
  // Site-local: given up in 2004, and still routed here and there.
  ['fec0::/10', 'private'],
  // All that is given out of IPv6.
  ['2000::/3', 'public'],
  ['::/0', 'reserved'],
]

/** Ranges of IPv6 that carry an IPv4 address, and the byte at which it begins: what counts is where that one leads. */
const carriers: readonly (readonly [cidr: string, at: number])[] = [
  // Mapped, and the older compatible form.
  ['::ffff:0:0/96', 12],
  ['::/96', 12],
  // Translated: SIIT and NAT64.
  ['::ffff:0:0:0/96', 12],
  ['64:ff9b::/96', 12],
  // 6to4.
  ['2002::/16', 2],
]

interface Compiled<T> {
  prefix: AddressBytes
  length: number
  value: T
}

const compiledRanges = once(() => ranges.map(compile))
const compiledCarriers = once(() => carriers.map(compile))

/**
 * What an IP address leads to, or `undefined` when the text is none. An IPv6 address that carries an IPv4 address is what that one is.
 *
 * @example
 * ```ts
 * classifyAddress('::ffff:169.254.169.254') // 'metadata'
 * ```
 */
export function classifyAddress(text: string): AddressKind | undefined {
  const address = parseAddress(text)
  return address === undefined ? undefined : classify(address)
}

function classify(address: AddressBytes): AddressKind {
  const carrier = compiledCarriers().find(({ prefix, length }) => hasPrefix(address, prefix, length))
  // `::` and `::1` lie in a carrier's range and are themselves.
  const itself = carrier === undefined || address.slice(0, 15).every((byte) => byte === 0)
  if (!itself) return classify(address.slice(carrier.value, carrier.value + 4))
  return compiledRanges().find(({ prefix, length }) => hasPrefix(address, prefix, length))?.value ?? 'reserved'
}

function compile<T>([cidr, value]: readonly [string, T]): Compiled<T> {
  const [prefix = '', length = ''] = cidr.split('/')
  return { prefix: parseAddress(prefix) ?? [], length: Number(length), value }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
