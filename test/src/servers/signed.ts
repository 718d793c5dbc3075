/** S3 requests with Signature V4, as few lines as a test helper needs. */
import { createHash, createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import type { TestServer } from './server.ts'

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest()

/** RFC 3986 encoding, as Signature V4 wants it. */
function encode(value: string): string {
  return encodeURIComponent(value).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

export interface SignedRequest {
  readonly method: string
  /** `/bucket/key`, not encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** What it is signed for. @defaultValue 's3' */
  readonly service?: 's3' | 'sts'
}

export interface SignedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** Sends one signed request, outside of whatever the code under test uses. */
export async function s3Request(server: TestServer, request: SignedRequest): Promise<SignedResponse> {
  const { method, path, query = {}, headers = {}, body = '', service = 's3' } = request
  const url = new URL(server.endpoint)
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${server.region}/${service}/aws4_request`
  const payload = sha256(body)
  const all: Record<string, string> = {
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    host: url.host,
    'x-amz-content-sha256': payload,
    'x-amz-date': time,
  }
  const names = Object.keys(all).sort()
  const encodedPath = path.split('/').map(encode).join('/')
  const encodedQuery = Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const canonical = [
    method,
    encodedPath,
    encodedQuery,
    ...names.map((name) => `${name}:${all[name]?.trim()}`),
    '',
    names.join(';'),
    payload,
  ].join('\n')
  const key = [service, 'aws4_request'].reduce(
    (previous, part) => hmac(previous, part),
    hmac(hmac(`AWS4${server.secretKey}`, time.slice(0, 8)), server.region),
  )
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex')
  all['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${server.accessKey}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  all['content-length'] = String(Buffer.byteLength(body))

  const target = `${server.endpoint}${encodedPath}${encodedQuery === '' ? '' : `?${encodedQuery}`}`
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = send(target, { method, headers: all, agent: false, ca: server.ca }, (response) => {
      text(response).then(
        (received) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: received }),
        reject,
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
