/**
 * AssumeRole of Alibaba's STS, as far as it is asked for here, with its signature of version 1 verified:
 * https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole
 */
import { createHmac } from 'node:crypto'
import type { Answer } from './call.ts'

/** Temporary credentials. */
export interface SessionCredentials {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** What STS knows. */
export interface StsWorld {
  readonly now: number
  readonly roles: ReadonlySet<string>
  readonly nonces: Set<string>
  secretOf(accessKey: string): string | undefined
  issue(lifetimeMs: number): SessionCredentials
}

/** Answers a request for credentials. */
export function assumeRole(method: string, body: string, world: StsWorld): Answer {
  const params = new URLSearchParams(body)
  const field = (name: string): string => params.get(name) ?? ''
  if (method !== 'POST' || field('Action') !== 'AssumeRole' || field('Version') !== '2015-04-01') {
    return refused(404, 'InvalidAction.NotFound')
  }
  const secretKey = world.secretOf(field('AccessKeyId'))
  if (secretKey === undefined) return refused(404, 'InvalidAccessKeyId.NotFound')
  if (field('Signature') !== signatureOf(method, params, secretKey)) return refused(400, 'SignatureDoesNotMatch')
  if (!(Math.abs(Date.parse(field('Timestamp')) - world.now) < 15 * 60_000))
    return refused(400, 'InvalidTimeStamp.Expired')
  if (field('SignatureNonce') === '' || world.nonces.has(field('SignatureNonce')))
    return refused(400, 'SignatureNonceUsed')
  world.nonces.add(field('SignatureNonce'))
  const seconds = Number(field('DurationSeconds'))
  if (!(seconds >= 900 && seconds <= 43_200)) return refused(400, 'InvalidParameter.DurationSeconds')
  if (!/^[\w.@-]{2,64}$/.test(field('RoleSessionName'))) return refused(400, 'InvalidParameter.RoleSessionName')
  if (!world.roles.has(field('RoleArn'))) return refused(404, 'EntityNotExist.Role')
  const { accessKey, secretKey: secret, sessionToken, expiresAt } = world.issue(seconds * 1000)
  return json(200, {
    RequestId: 'A',
    AssumedRoleUser: { Arn: field('RoleArn'), AssumedRoleId: `1:${field('RoleSessionName')}` },
    Credentials: {
      AccessKeyId: accessKey,
      AccessKeySecret: secret,
      SecurityToken: sessionToken,
      Expiration: new Date(expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
    },
  })
}

function signatureOf(method: string, params: URLSearchParams, secretKey: string): string {
  const query = [...params]
    .filter(([name]) => name !== 'Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  return createHmac('sha1', `${secretKey}&`)
    .update(`${method}&%2F&${encode(query)}`)
    .digest('base64')
}

function refused(status: number, code: string): Answer {
  return json(status, { RequestId: 'A', HostId: 'sts', Code: code, Message: `Refused: ${code}.` })
}

function json(status: number, content: object): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(content) }
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
