import dns from 'node:dns'

/**
 * Lets this process find `*.localhost` at 127.0.0.1, as RFC 6761 (6.3) says it should be; many resolvers do not know these names.
 * Virtual hosts of the double are such names.
 */
export function resolveLocalhost(): void {
  const system = dns.lookup
  if (system.name === 'lookupLocalhost') return
  function lookupLocalhost(host: string, ...rest: unknown[]): unknown {
    const name = host.toLowerCase().endsWith('.localhost') ? '127.0.0.1' : host
    return (system as (...args: unknown[]) => unknown)(name, ...rest)
  }
  dns.lookup = Object.assign(lookupLocalhost, system) as typeof dns.lookup
}
