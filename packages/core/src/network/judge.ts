import { StowageError } from '../errors/index.ts'
import { type AddressKind, classifyAddress } from './classify.ts'

/** What of a network may be reached. */
export interface NetworkPolicy {
  /** Addresses of this network's own: `10.0.0.0/8`, `192.168.0.0/16`, `fc00::/7` and the like. @defaultValue false */
  allowPrivateNetwork?: boolean
  /** This machine. @defaultValue false */
  allowLoopback?: boolean
}

/** Where the judged text came from, for the error. */
export interface JudgedField {
  /** @defaultValue 'endpoint' */
  field?: string
  sourceId?: string
  /** The name that resolved to the judged address. */
  host?: string
}

const reasons: Readonly<Record<Exclude<AddressKind, 'public'>, string>> = {
  loopback: 'leads to this machine',
  private: 'lies in a private network',
  'link-local': 'is link-local',
  metadata: 'is a metadata service of a cloud, which hands out credentials',
  unspecified: 'is no address of a machine',
  reserved: 'lies in a reserved range',
}

/**
 * Judges an IP address: call it for an address that is given, and for every one that a name resolved to, then connect to what was
 * judged. Link-local, metadata and reserved addresses are refused whatever the policy says.
 * @throws StowageError `configuration` naming the field, with a hint what would allow it
 */
export function judgeAddress(ip: string, policy: NetworkPolicy = {}, about: JudgedField = {}): void {
  const kind = classifyAddress(ip)
  if (kind === undefined) throw refusedAddress(`"${ip}" is not an IP address`, about)
  if (kind === 'public') return
  if (kind === 'private' && policy.allowPrivateNetwork === true) return
  if (kind === 'loopback' && policy.allowLoopback === true) return
  const address = about.host === undefined ? `the address ${ip}` : `${about.host} resolves to ${ip}, which`
  throw refusedAddress(`${address} ${reasons[kind]}`, about, hints[kind])
}

const hints: Partial<Record<AddressKind, string>> = {
  private: 'Set allowPrivateNetwork if the store belongs there.',
  loopback: 'Only a source of the configuration file may be on this machine.',
}

/** The error for an endpoint that is not taken. */
export function refusedAddress(
  why: string,
  { field = 'endpoint', sourceId }: JudgedField,
  hint?: string,
): StowageError {
  const message =
    sourceId === undefined ? `The ${field} is refused: ${why}.` : `${sourceId}: the ${field} is refused: ${why}.`
  return new StowageError('configuration', message, {
    field,
    ...(sourceId === undefined ? {} : { sourceId }),
    ...(hint === undefined ? {} : { hint }),
  })
}
