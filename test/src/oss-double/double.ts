/**
 * A double of Alibaba Cloud OSS for the tests: an HTTP server in this process that keeps objects in memory. It was written here, from the
 * public API reference (https://www.alibabacloud.com/help/en/oss/developer-reference/), and not by the vendor: what it does is what that
 * reference says, as it was read here. The vendor's own Python SDK runs against it in `python.test.ts`.
 *
 * It verifies every signature, serves virtual hosts and custom domains, and refuses what OSS refuses.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { testSecret } from '../secrets/marker.ts'
import { deleteObjects, getCors, getInfo, getLifecycle, getVersioning, putVersioning } from './buckets.ts'
import { type Answer, type Call, checkedBody, xmlAnswer } from './call.ts'
import { OssError } from './errors.ts'
import { Faults, type OssFault } from './faults.ts'
import { appendObject, getSymlink, putSymlink } from './kinds.ts'
import { listObjects, listObjectsV2, listVersions } from './listing.ts'
import { abortUpload, completeUpload, createUpload, listParts, listUploads, uploadPart } from './multipart.ts'
import { bucketOfHost, objectKeyProblem } from './names.ts'
import { deleteObject, putObject, readObject, restoreObject } from './objects.ts'
import { OssRequest } from './request.ts'
import { type Signer, verifySignature } from './signatures.ts'
import { Bucket } from './store.ts'
import { assumeRole, type SessionCredentials } from './sts.ts'
import { deleteTagging, getTagging, putTagging } from './tagging.ts'
import { writeXml } from './xml.ts'

/** How a double is started. */
export interface OssDoubleOptions {
  /** @defaultValue 'cn-hangzhou' */
  region?: string
  /** Milliseconds since the epoch. @defaultValue the machine's clock */
  now?: () => number
}

/** Requests that are remembered. */
const mostSeen = 100_000

/** A request that came, for tests that look at what was sent. */
export interface SeenRequest {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: ReadonlyMap<string, string>
  readonly headers: IncomingMessage['headers']
}

/**
 * Starts a double on a free port of this machine.
 *
 * @example
 * ```ts
 * await using oss = await startOssDouble()
 * const bucket = oss.createBucket()
 * ```
 */
export async function startOssDouble(options: OssDoubleOptions = {}): Promise<OssDouble> {
  const double = new OssDouble(options)
  await double.listen()
  return double
}

/** A running double. */
export class OssDouble implements AsyncDisposable {
  readonly region: string
  readonly accessKey = 'LTAI-stowage-test'
  readonly secretKey: string = testSecret('oss')
  /** What came, the newest last; of very many, the newer. */
  readonly seen: SeenRequest[] = []
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()
  readonly #domains = new Map<string, string>()
  readonly #signers = new Map<string, Signer>()
  readonly #faults = new Faults()
  readonly #roles = new Set<string>()
  readonly #nonces = new Set<string>()
  readonly #server = createServer((incoming, response) => void this.#serve(incoming, response))

  constructor({ region = 'cn-hangzhou', now = Date.now }: OssDoubleOptions) {
    this.region = region
    this.#now = now
    this.#signers.set(this.accessKey, { secretKey: this.secretKey })
  }

  async listen(): Promise<void> {
    // As OSS's front does: what ends in the middle of a request gets no answer.
    this.#server.on('clientError', (_error, socket) => void socket.destroy())
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The endpoint of the region. Names below `.localhost` need `resolveLocalhost` on machines whose resolver does not know them. */
  get endpoint(): string {
    return `http://oss-${this.region}.localhost:${this.port}`
  }

  /** Makes an empty bucket. */
  createBucket(name = `test-${randomBytes(6).toString('hex')}`): string {
    this.#buckets.set(name, new Bucket(name))
    return name
  }

  /** A bucket's inside. */
  bucket(name: string): Bucket {
    return this.#find(name)
  }

  /** Binds a host, such as `127.0.0.1` or `data.example`, to a bucket: what OSS calls a custom domain (CNAME). */
  bindDomain(host: string, bucket: string): void {
    this.#domains.set(host, bucket)
  }

  /** Gives out temporary credentials, as STS does. */
  issueCredentials(lifetimeMs: number): SessionCredentials {
    const credentials: SessionCredentials = {
      accessKey: `STS.${randomBytes(8).toString('hex')}`,
      secretKey: testSecret(`sts-${randomBytes(8).toString('hex')}`),
      sessionToken: `CAIS${randomBytes(24).toString('base64')}${testSecret('token')}`,
      expiresAt: this.#now() + lifetimeMs,
    }
    this.#signers.set(credentials.accessKey, {
      secretKey: credentials.secretKey,
      session: { token: credentials.sessionToken, expiresAt: credentials.expiresAt },
    })
    return credentials
  }

  /** The address of STS, which gives credentials of a role that exists. */
  get stsEndpoint(): string {
    return `http://sts.localhost:${this.port}`
  }

  /** Makes a role, and returns its ARN. */
  createRole(name = 'stowage'): string {
    const arn = `acs:ram::1234567890123456:role/${name}`
    this.#roles.add(arn)
    return arn
  }

  /** Makes something go wrong. */
  inject(fault: OssFault): void {
    this.#faults.add(fault)
  }

  /** Ends all restores that are under way: the archived objects can be read. */
  finishRestores(bucket: string): void {
    const found = this.#find(bucket)
    for (const key of found.keys()) {
      for (const version of found.versions(key)) if (version.restore === 'ongoing') version.restore = 'done'
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    incoming.on('error', () => {})
    response.on('error', () => {})
    const requestId = randomBytes(12).toString('hex').toUpperCase()
    response.setHeader('server', 'AliyunOSS')
    response.setHeader('x-oss-request-id', requestId)
    let request: OssRequest | undefined
    try {
      request = new OssRequest(incoming, response)
      const { method, host, query, rawPath } = request
      this.seen.push({ method, host, query, path: rawPath, headers: incoming.headers })
      if (this.seen.length > mostSeen) this.seen.splice(0, mostSeen / 2)
      await this.#answer(request)
    } catch (error) {
      const known = error instanceof OssError ? error : new OssError('InternalError', String(error))
      send(response, incoming.method, errorAnswer(known, requestId, incoming.headers.host ?? ''))
    }
    request?.drain()
  }

  async #answer(request: OssRequest): Promise<void> {
    if (request.host === 'sts.localhost') return this.#sts(request)
    const { bucket: bucketName, key } = this.#resource(request)
    const fault = this.#faults.take(request, key)
    if (fault === 'reset') return request.hangUp()
    if (typeof fault === 'object') {
      for (const [name, value] of Object.entries(fault.headers ?? {})) request.response.setHeader(name, value)
      throw new OssError(fault.error, 'Injected by the test.', {}, fault.status)
    }
    const now = this.#now()
    verifySignature(
      request,
      { bucket: bucketName, key },
      { region: this.region, now, signer: (id) => this.#signers.get(id) },
    )
    const answer =
      bucketName === '' ? this.#service(request) : await this.#onBucket(request, { bucketName, key, now, fault })
    if (fault === 'lost-answer') return request.hangUp()
    if (fault === 'truncated' && answer.body !== undefined) return truncate(request, answer)
    send(request.response, request.method, fault === 'flipped' ? flipped(answer) : answer)
  }

  async #sts(request: OssRequest): Promise<void> {
    const fault = this.#faults.take(request, 'sts')
    if (fault === 'reset') return request.hangUp()
    if (typeof fault === 'object') throw new OssError(fault.error, 'Injected by the test.', {}, fault.status)
    const answer = assumeRole(request.method, (await request.body(64 * 1024)).toString(), {
      now: this.#now(),
      roles: this.#roles,
      nonces: this.#nonces,
      secretOf: (id) => this.#signers.get(id)?.secretKey,
      issue: (lifetimeMs) => this.issueCredentials(lifetimeMs),
    })
    send(request.response, request.method, answer)
  }

  /** What a request's host and path name. */
  #resource(request: OssRequest): { bucket: string; key: string } {
    let key: string
    try {
      key = decodeURIComponent(request.rawPath.slice(1))
    } catch {
      throw new OssError('InvalidObjectName', 'The name is not percent-encoded UTF-8.')
    }
    const domain = this.#domains.get(request.host)
    const bucket = domain ?? bucketOfHost(request.host)
    if (bucket === undefined || (bucket === '' && key !== '')) {
      throw new OssError(
        'SecondLevelDomainForbidden',
        'The bucket you are attempting to access must be addressed using OSS third level domain.',
      )
    }
    return { bucket, key }
  }

  #service({ method }: OssRequest): Answer {
    if (method !== 'GET') throw new OssError('MethodNotAllowed', 'The specified method is not allowed.')
    return xmlAnswer('ListAllMyBucketsResult', {
      Owner: { ID: '1234567890', DisplayName: '1234567890' },
      Buckets: {
        Bucket: [...this.#buckets.keys()].map((name) => ({
          Name: name,
          Location: `oss-${this.region}`,
          CreationDate: '2026-01-01T00:00:00.000Z',
          ExtranetEndpoint: `oss-${this.region}.localhost`,
          IntranetEndpoint: `oss-${this.region}-internal.localhost`,
          StorageClass: 'Standard',
        })),
      },
    })
  }

  async #onBucket(
    request: OssRequest,
    at: { bucketName: string; key: string; now: number; fault: 'lost-answer' | 'truncated' | 'flipped' | undefined },
  ): Promise<Answer> {
    const { bucketName, key, now } = at
    if (key === '' && request.method === 'PUT' && request.query.size === 0) {
      if (this.#buckets.has(bucketName)) throw new OssError('BucketAlreadyExists', 'The bucket name is taken.')
      this.createBucket(bucketName)
      return {}
    }
    const bucket = this.#find(bucketName)
    assertPayer(request, bucket)
    const call: Call = { request, bucket, key, now, otherBucket: (name) => this.#find(name) }
    if (key === '') {
      if (request.method === 'DELETE') return this.#removeBucket(bucket)
      return onBucket(call, this.region)
    }
    const problem = objectKeyProblem(key)
    if (problem !== undefined) throw new OssError('InvalidObjectName', problem)
    if (at.fault === 'flipped' && request.method === 'PUT') flip(await checkedBody(call, 2 ** 31))
    return onObject(call)
  }

  #removeBucket(bucket: Bucket): Answer {
    if (!bucket.isEmpty) throw new OssError('BucketNotEmpty', 'The bucket you tried to delete is not empty.')
    this.#buckets.delete(bucket.name)
    return { status: 204 }
  }

  #find(name: string): Bucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      throw new OssError('NoSuchBucket', 'The specified bucket does not exist.', { BucketName: name })
    }
    return bucket
  }
}

function assertPayer(request: OssRequest, { requesterPays }: Bucket): void {
  const name = 'x-oss-request-payer'
  if (!requesterPays || (request.header(name) ?? request.query.get(name)) === 'requester') return
  throw new OssError('AccessDenied', 'Bucket is in requester pays mode, which x-oss-request-payer must acknowledge.')
}

function onBucket(call: Call, region: string): Answer | Promise<Answer> {
  const { request } = call
  const { method } = request
  if (method === 'POST' && request.asks('delete')) return deleteObjects(call)
  if (request.asks('versioning')) {
    if (method === 'GET') return getVersioning(call)
    if (method === 'PUT') return putVersioning(call)
  }
  if (method === 'GET' && request.asks('bucketInfo')) return getInfo(call, region)
  if (method === 'GET' && request.asks('cors')) return getCors(call)
  if (method === 'GET' && request.asks('lifecycle')) return getLifecycle(call)
  if (method === 'GET' && request.asks('uploads')) return listUploads(call)
  if (method === 'GET' && request.asks('versions')) return listVersions(call)
  if (method === 'GET' && request.query.get('list-type') === '2') return listObjectsV2(call)
  if (method === 'GET') return listObjects(call)
  throw new OssError('NotImplemented', 'The double does not know this call.')
}

function onObject(call: Call): Answer | Promise<Answer> {
  const { request } = call
  const { method } = request
  if (request.asks('uploadId')) {
    if (method === 'PUT') return uploadPart(call)
    if (method === 'POST') return completeUpload(call)
    if (method === 'GET') return listParts(call)
    if (method === 'DELETE') return abortUpload(call)
  }
  if (request.asks('tagging')) {
    if (method === 'GET') return getTagging(call)
    if (method === 'PUT') return putTagging(call)
    if (method === 'DELETE') return deleteTagging(call)
  }
  if (request.asks('symlink')) {
    if (method === 'PUT') return putSymlink(call)
    if (method === 'GET') return getSymlink(call)
  }
  if (method === 'POST' && request.asks('append')) return appendObject(call)
  if (method === 'POST' && request.asks('uploads')) return createUpload(call)
  if (method === 'POST' && request.asks('restore')) return restoreObject(call)
  if (method === 'PUT') return putObject(call)
  if (method === 'GET' || method === 'HEAD') return readObject(call)
  if (method === 'DELETE') return deleteObject(call)
  throw new OssError('NotImplemented', 'The double does not know this call.')
}

/** An error as OSS tells it: in the body, or in the header `x-oss-err` where a body cannot be. */
function errorAnswer(error: OssError, requestId: string, host: string): Answer {
  if (error.status === 304) return { status: 304 }
  const body = writeXml('Error', {
    Code: error.code,
    Message: error.message,
    RequestId: requestId,
    HostId: host,
    ...error.details,
    EC: '0000-00000000',
  })
  return {
    status: error.status,
    headers: { 'content-type': 'application/xml', 'x-oss-err': Buffer.from(body).toString('base64') },
    body,
  }
}

function send(response: ServerResponse, method: string | undefined, answer: Answer): void {
  const { status = 200, headers = {}, body = '' } = answer
  const isBodyless = method === 'HEAD' || status === 204 || status === 304
  const encoded = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    Buffer.from(value, 'utf8').toString('latin1'),
  ])
  response.writeHead(status, {
    ...Object.fromEntries(encoded),
    ...(isBodyless ? {} : { 'content-length': Buffer.byteLength(body) }),
  })
  response.end(isBodyless ? undefined : body)
}

function truncate(request: OssRequest, { status = 200, headers = {}, body = '' }: Answer): void {
  const bytes = Buffer.from(body)
  request.response.writeHead(status, { ...headers, 'content-length': bytes.length })
  request.response.write(bytes.subarray(0, bytes.length / 2), () => request.hangUp())
}

/** The answer with one bit of its body changed. */
function flipped(answer: Answer): Answer {
  if (!Buffer.isBuffer(answer.body)) return answer
  const body = Buffer.from(answer.body)
  flip(body)
  return { ...answer, body }
}

function flip(bytes: Buffer): void {
  const middle = bytes.length >> 1
  if (bytes.length > 0) bytes[middle] = (bytes[middle] as number) ^ 1
}
