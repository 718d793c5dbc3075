import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import {
  classifyAddress,
  type EndpointPolicy,
  isLoopbackHost,
  type JudgedField,
  judgeAddress,
  judgeEndpoint,
  type NetworkPolicy,
} from '@stowage/core'

/** An address that a name leads to. */
export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

/** Asks for all addresses of a name. @throws what the resolver says, with its `code`, such as `ENOTFOUND` */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>

/** The options of an adapter that say where it may connect to. */
export interface NetworkOptions {
  /**
   * What of the network the source may reach. Every address that its names resolve to is judged by this, and the connection goes to what
   * was judged; link-local addresses and metadata services are refused whatever it says. For an endpoint that somebody may add while the
   * program runs, pass `{}`, and set `allowPrivateNetwork` where the source does; `allowLoopback` is for the configuration file alone.
   * @defaultValue { allowLoopback: true, allowPrivateNetwork: true } as for a source of the configuration file
   */
  network?: NetworkPolicy
  /** Asks for the addresses of a name. @defaultValue the system's resolver */
  resolve?: Resolve
}

/** Sources of the configuration file may be on this machine and in this network. */
const trusted: NetworkPolicy = { allowLoopback: true, allowPrivateNetwork: true }

const ofThisMachine: readonly ResolvedAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

/**
 * Where one source may connect to: the one gate through which every connection of its adapter goes, whichever client opens it.
 *
 * A name is resolved once. All its addresses are judged, and one that is refused refuses the name: a name that leads to good and bad
 * places is an attack or a mistake. The connection goes to these addresses and the name is not asked for again, so that an answer which
 * changes between the question and the connection (DNS rebinding) changes nothing. TLS and the `host` header keep the name.
 */
export class Gate {
  readonly #policy: EndpointPolicy
  readonly #about: JudgedField
  readonly #resolve: Resolve

  /** @param field the option that holds the endpoint, for errors */
  constructor(
    options: NetworkOptions & { readonly id: string; readonly allowPlainHttp?: boolean },
    field = 'endpoint',
  ) {
    this.#policy = { ...(options.network ?? trusted), allowPlainHttp: options.allowPlainHttp === true }
    this.#about = { field, sourceId: options.id }
    this.#resolve = options.resolve ?? ((host) => systemLookup(host, { all: true, order: 'verbatim' }))
  }

  /** The endpoint as its URL. @throws StowageError `configuration` */
  endpoint(text: string): URL {
    return judgeEndpoint(text, this.#policy, this.#about).url
  }

  /** The addresses that a host may be connected to. @throws StowageError `configuration`; what the resolver says */
  async addresses(host: string): Promise<readonly ResolvedAddress[]> {
    // By RFC 6761 (6.3) these names lead to this machine; a resolver that says otherwise must not get what may go in the clear.
    const found =
      isLoopbackHost(host) && classifyAddress(host) === undefined ? ofThisMachine : await this.#resolve(host)
    if (found.length === 0) throw Object.assign(new Error(`no address for ${host}`), { code: 'ENOTFOUND' })
    for (const { address } of found) judgeAddress(address, this.#policy, { ...this.#about, host })
    return found
  }

  /** Refuses an address that stands in place of a name: Node asks nobody about it. @throws StowageError `configuration` */
  judgeLiteral(host: string): void {
    const bare = host.replace(/^\[|\]$/g, '')
    if (classifyAddress(bare) !== undefined) judgeAddress(bare, this.#policy, this.#about)
  }

  /** For the `lookup` option of Node's sockets, which connect to what it answers. */
  readonly lookup: LookupFunction = (host, { all, family }, done) => {
    this.addresses(host).then(
      (found) => {
        const wanted = family === 4 || family === 'IPv4' ? 4 : family === 6 || family === 'IPv6' ? 6 : 0
        const usable = found.filter((one) => wanted === 0 || one.family === wanted)
        const [first] = usable
        if (first === undefined) done(Object.assign(new Error(`no address for ${host}`), { code: 'ENOTFOUND' }), '', 0)
        else if (all === true) done(null, [...usable])
        else done(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => done(error, '', 0),
    )
  }
}
