import type { StowageError } from '../errors/index.ts'
import { classifyAddress } from './classify.ts'
import { type JudgedField, judgeAddress, type NetworkPolicy, refusedAddress } from './judge.ts'
import { parseAddress } from './parse.ts'

/** What an endpoint may be. */
export interface EndpointPolicy extends NetworkPolicy {
  /** `http:` to another machine. To this one it needs no leave. @defaultValue false */
  allowPlainHttp?: boolean
}

/** An endpoint in parts, each of which means the same to every program. */
export interface Endpoint {
  /** Normalised: lower-case host, no trailing slash twice, no default port. */
  url: URL
  secure: boolean
  /** A name, or an IP address without brackets. */
  host: string
  port: number
  /** True when the host is an IP address; a name is to be judged once it is resolved. */
  isAddress: boolean
}

const longestName = 253
/** Names of metadata services. They resolve to addresses that are refused too; here the error is clearer, and no resolver is asked. */
const metadataNames: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.tencentyun.com',
  'instance-data',
  'instance-data.ec2.internal',
])
const loopbackNames: ReadonlySet<string> = new Set(['localhost.localdomain', 'ip6-localhost', 'ip6-loopback'])

/**
 * Takes an endpoint apart, and refuses what programs disagree about: user information, blanks and backslashes, hosts in percent
 * encoding or outside of ASCII, IPv4 addresses in odd notations (`127.1`, `0x7f000001`, `017700000001`), a dot at the end.
 * @throws StowageError `configuration` naming the field; the message never repeats the text, which may hold a password
 */
export function parseEndpoint(text: string, about: JudgedField = {}): Endpoint {
  const refuse = (why: string, hint?: string): StowageError => refusedAddress(why, about, hint)
  if (/[^\x21-\x7e]/.test(text) || text.includes('\\')) {
    // The address bar's form of a host outside of ASCII, with its look-alikes, is one for people.
    const ascii = /[\p{Cc}\s\\]/u.test(text) ? undefined : asciiHost(text)
    throw refuse(
      'it has characters that do not belong in an address',
      ascii === undefined ? 'Write it as https://host:port.' : `Write the host as ${ascii}.`,
    )
  }
  const parts = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)([?#].*)?$/.exec(text)
  if (parts === null || !URL.canParse(text)) throw refuse('it is not an address', 'Write it as https://host:port.')
  const [, scheme = '', authority = '', , rest] = parts
  if (!/^https?$/i.test(scheme)) throw refuse('it must begin with https:// or http://')
  if (authority.includes('@')) throw refuse('it carries credentials', 'Give them as accessKey and secretKey.')
  if (rest !== undefined) throw refuse('it has a query or a fragment')
  const url = new URL(text)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const written = authority
    .replace(/:\d*$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase()
  const isAddress = parseAddress(host) !== undefined
  if (isAddress && !sameAddress(written, host)) {
    throw refuse('its host is an IP address in an unusual notation', `Write it as ${host}.`)
  }
  if (!isAddress) checkName(written, host, refuse)
  const secure = url.protocol === 'https:'
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  if (port === 0) throw refuse('its port is 0')
  return { url, secure, host, port, isAddress }
}

/**
 * Parses an endpoint and judges it, as far as that is possible without resolving its name: scheme, plain HTTP, metadata services, and
 * the address when it is one. After resolving, every address goes through `judgeAddress`.
 * @throws StowageError `configuration` naming the field, with a hint what would allow it
 *
 * @example
 * ```ts
 * judgeEndpoint('http://169.254.169.254/', { allowPlainHttp: true, allowPrivateNetwork: true }) // throws
 * ```
 */
export function judgeEndpoint(text: string, policy: EndpointPolicy = {}, about: JudgedField = {}): Endpoint {
  const endpoint = parseEndpoint(text, about)
  if (endpoint.isAddress) judgeAddress(endpoint.host, policy, about)
  else judgeName(endpoint.host, policy, about)
  if (!endpoint.secure && policy.allowPlainHttp !== true && !isLoopbackHost(endpoint.host)) {
    throw refusedAddress(
      'it is plain HTTP to another machine',
      about,
      'Use https, or set allowPlainHttp for a network you trust.',
    )
  }
  return endpoint
}

/** True for names and addresses that never leave this machine. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || loopbackNames.has(name)) return true
  return classifyAddress(name) === 'loopback'
}

function judgeName(name: string, policy: NetworkPolicy, about: JudgedField): void {
  if (metadataNames.has(name)) throw refusedAddress(`${name} is a metadata service of a cloud`, about)
  if (isLoopbackHost(name)) judgeAddress('127.0.0.1', policy, about)
}

function checkName(written: string, host: string, refuse: (why: string, hint?: string) => StowageError): void {
  if (written.endsWith('.')) throw refuse('its host ends in a dot', `Write it as ${written.replace(/\.+$/, '')}.`)
  // What the parser decoded or mapped, others may read in another way.
  if (written !== host) throw refuse('its host is not plainly written', `Write it as ${host}.`)
  const labels = host.split('.')
  const valid = labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  if (!valid || host.length > longestName) throw refuse('its host is not a valid name')
}

function sameAddress(written: string, host: string): boolean {
  const [a, b] = [parseAddress(written), parseAddress(host)]
  return a !== undefined && a.length === b?.length && a.every((byte, i) => byte === b[i])
}

function asciiHost(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined || url.username !== '' || url.hostname === '' ? undefined : url.hostname
}
