import type { ClientRequestArgs, Agent as PlainAgent } from 'node:http'
import type { Agent as TlsAgent } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Gate } from './connect.ts'

/** How an agent keeps connections. */
interface AgentOptions {
  maxSockets: number
  /** Authorities to trust, in PEM. @defaultValue the system's */
  ca?: readonly string[] | undefined
}

type Opened = (error: Error | null, stream: Duplex) => void

/**
 * Agents of Node's own HTTP client that connect through the gate, for vendors' SDKs. That client is loaded only now: it takes a tenth of the
 * time in which a command starts.
 */
export async function guardedAgents(
  gate: Gate,
  { maxSockets, ca }: AgentOptions,
): Promise<{ http: PlainAgent; https: TlsAgent }> {
  const [plain, tls] = await Promise.all([import('node:http'), import('node:https')])
  class Plain extends plain.Agent {
    override createConnection(options: ClientRequestArgs, done?: Opened): Duplex | null | undefined {
      gate.judgeLiteral(String(options.host ?? ''))
      return super.createConnection(options, done)
    }
  }
  class Tls extends tls.Agent {
    override createConnection(options: ClientRequestArgs, done?: Opened): Duplex | null | undefined {
      gate.judgeLiteral(String(options.host ?? ''))
      return super.createConnection(options, done)
    }
  }
  const kept = { keepAlive: true, maxSockets, lookup: gate.lookup }
  return { http: new Plain(kept), https: new Tls({ ...kept, ...(ca === undefined ? {} : { ca: [...ca] }) }) }
}
