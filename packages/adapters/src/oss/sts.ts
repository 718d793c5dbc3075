import { once } from 'node:events'
import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { type Clock, type Random, readAll, StowageError } from '@stowage/core'
import {
  connectionMeaning,
  Gate,
  guardedAgents,
  readAuthorities,
  storeError,
  withRetries,
  wrongOption,
} from '../shared/index.ts'
import type { AssumeRole, OssCredentials, OssOptions } from './options.ts'
import { asText, loadAliOss } from './sdk.ts'

const defaultEndpoint = 'https://sts.aliyuncs.com'
const answerMs = 10_000
const longestAnswer = 64 * 1024

/** What asking for credentials needs. */
export interface StsContext {
  readonly clock: Clock
  readonly random: Random
}

/**
 * A provider of credentials by Alibaba's STS (https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole):
 * the vendor's SDK writes and signs the request, which is sent from here with a deadline and retries.
 * @throws StowageError `configuration` when a field is missing or wrong
 */
export function assumedRole(options: OssOptions, role: AssumeRole, context: StsContext): () => Promise<OssCredentials> {
  const { id, accessKey, secretKey } = options
  assertRole(options, role)
  const gate = new Gate(options, 'assumeRole.endpoint')
  const endpoint = gate.endpoint(role.endpoint ?? defaultEndpoint)
  const where = { id, bucket: options.bucket, endpoint: endpoint.host }
  const keys = { accessKeyId: accessKey ?? '', accessKeySecret: secretKey ?? '' }

  async function ask(): Promise<OssCredentials> {
    const { STS } = await loadAliOss()
    const ca = options.tls?.ca === undefined ? undefined : await readAuthorities({ id }, options.tls.ca)
    const agents = await guardedAgents(gate, { maxSockets: 1, ca })
    const agent = endpoint.protocol === 'https:' ? agents.https : agents.http
    const timeout = Math.min(options.connectTimeoutMs ?? answerMs, answerMs)
    const sent: { failure?: StowageError } = {}
    const send: ConstructorParameters<typeof STS>[0]['urllib'] = {
      request: async (url, { method, headers, content }) => {
        try {
          const sending = { method, headers: asText(headers), agent, signal: AbortSignal.timeout(timeout) }
          const answer = await post(url, sending, Buffer.from(content ?? ''))
          const res = { status: answer.status, headers: {} }
          return { ...res, data: answer.data, res }
        } catch (error) {
          const { code, name } = error as { code?: unknown; name?: unknown }
          const meaning =
            name === 'AbortError'
              ? ({ code: 'timeout', says: 'STS did not answer in time' } as const)
              : (connectionMeaning(typeof code === 'string' ? code : '') ?? {
                  code: 'internal',
                  says: 'the call of STS failed',
                })
          sent.failure = StowageError.isInstance(error) ? error : storeError(meaning, where, { cause: error })
          throw error
        }
      },
    }
    try {
      const client = new STS({ ...keys, endpoint: endpoint.href, urllib: send })
      const answer = await client.assumeRole(role.roleArn, role.policy, role.durationSeconds, role.sessionName)
      return fromAnswer(id, answer.credentials)
    } catch (error) {
      throw sent.failure ?? refusal(id, error)
    } finally {
      agent.destroy()
    }
  }

  return () => withRetries(ask, { attempts: options.attempts ?? 3, ...context, repeatable: true })
}

async function post(url: string, options: RequestOptions, body: Buffer): Promise<{ status: number; data: Buffer }> {
  const request = (url.startsWith('https:') ? requestTls : requestPlain)(url, options)
  request.end(body)
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  return { status: answer.statusCode ?? 0, data: Buffer.from(await readAll(answer, longestAnswer)) }
}

function fromAnswer(
  id: string,
  answer: { AccessKeyId?: string; AccessKeySecret?: string; SecurityToken?: string; Expiration?: string } | undefined,
): OssCredentials {
  const { AccessKeyId, AccessKeySecret, SecurityToken, Expiration } = answer ?? {}
  const expiresAt = Date.parse(Expiration ?? '')
  if (!AccessKeyId || !AccessKeySecret || !SecurityToken || Number.isNaN(expiresAt)) {
    throw new StowageError('unavailable', `${id}: the answer of STS lacks credentials.`, { sourceId: id })
  }
  return { accessKey: AccessKeyId, secretKey: AccessKeySecret, sessionToken: SecurityToken, expiresAt }
}

/** What STS said. Its messages quote the request and what was signed: they belong in no log, its codes do. */
function refusal(id: string, error: unknown): StowageError {
  if (StowageError.isInstance(error)) return error
  const { status, code } = (error ?? {}) as { status?: unknown; code?: unknown }
  const told = typeof code === 'string' ? code.replace(/[^\w.]/g, '').slice(0, 80) : 'no code'
  const isBusy = told.startsWith('Throttling')
  const isDown = typeof status !== 'number' || status >= 500
  return new StowageError(
    isBusy ? 'throttled' : isDown ? 'unavailable' : 'access-denied',
    `${id}: STS gave no credentials of the role (${told}).`,
    {
      sourceId: id,
      hint: 'Check assumeRole, the accessKey that asks, and that the role trusts it.',
    },
  )
}

function assertRole({ id, accessKey, secretKey, sessionToken, credentials }: OssOptions, role: AssumeRole): void {
  if (credentials !== undefined || sessionToken !== undefined) {
    throw wrongOption(id, 'assumeRole', 'needs accessKey and secretKey that do not end')
  }
  if (!accessKey || !secretKey) throw wrongOption(id, accessKey ? 'secretKey' : 'accessKey', 'is missing')
  if (!/^acs:ram::\d+:role\/.+$/.test(role.roleArn ?? '')) {
    throw wrongOption(id, 'assumeRole.roleArn', 'is none', 'It looks like acs:ram::1234567890123456:role/stowage.')
  }
  if (!/^[\w.@-]{2,64}$/.test(role.sessionName ?? '')) {
    throw wrongOption(id, 'assumeRole.sessionName', 'must be 2 to 64 letters, digits, ".", "@", "-" or "_"')
  }
  const { durationSeconds, policy } = role
  if (durationSeconds !== undefined && (!Number.isInteger(durationSeconds) || durationSeconds < 900)) {
    throw wrongOption(id, 'assumeRole.durationSeconds', 'must be a whole number from 900')
  }
  if (policy !== undefined && !isJson(policy)) throw wrongOption(id, 'assumeRole.policy', 'is no JSON')
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
