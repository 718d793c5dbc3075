import { BlockList, isIP } from 'node:net'
import { StowageError } from '@stowage/core'

/** Who sent a request. */
export interface Peer {
  /** The IP address at the other end of the connection; absent when it is not known. */
  address?: string
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Headers by which proxies tell that they speak for somebody else, beside all that begin with `x-forwarded-`. */
const forwarding = ['forwarded', 'x-real-ip', 'via']

/**
 * Why a request may not see what is for this machine alone; `undefined` when it may. A page of another site that has its name point here is told
 * by the `Host`, a proxy by what it adds.
 */
export function localOnly(request: Request, peer: Peer): StowageError | undefined {
  if (!isLoopback(peer.address)) return refused('it answers to this machine alone')
  const names = [...request.headers.keys()]
  if (names.some((name) => name.startsWith('x-forwarded-') || forwarding.includes(name)))
    return refused('the request comes through a proxy, which may speak for anybody')
  if (!isLocalHost(request.headers.get('host'))) return refused('the request names another host than this machine')
  return undefined
}

function refused(why: string): StowageError {
  return new StowageError('access-denied', `The board of the queue is refused: ${why}.`, {
    hint: 'Open it on this machine, or through a tunnel such as: ssh -L 7869:127.0.0.1:7869 HOST',
  })
}

function isLoopback(address: string | undefined): boolean {
  const version = isIP(address ?? '')
  // `::ffff:127.0.0.1` too is checked as what it maps to.
  return version !== 0 && loopback.check(address as string, version === 4 ? 'ipv4' : 'ipv6')
}

/** `localhost` or a loopback address, with any port: that of a tunnel is another. */
function isLocalHost(host: string | null): boolean {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host ?? '')
  if (match === null) return false
  const [, v6, name] = match
  return name?.toLowerCase() === 'localhost' || isLoopback(v6 ?? name)
}
