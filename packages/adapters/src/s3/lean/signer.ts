import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'
import type { HeaderList } from '../../shared/index.ts'
import { encodePart } from './encoding.ts'

/** Keys to sign with. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  /** When they end, where they do. */
  readonly expiration?: Date | undefined
}

/** What a request is signed as, when its bytes are not part of the signature. */
export const unsignedPayload = 'UNSIGNED-PAYLOAD'

/** A request as the signature covers it. */
export interface Signable {
  method: string
  /** Encoded, as it is sent. */
  path: string
  /** Encoded, its parameters sorted by name. */
  query: string
  /** Gets the signature and what belongs to it appended. All of it is signed. */
  headers: HeaderList
  /** The SHA-256 of the bytes in hex, or {@link unsignedPayload}. */
  payload: string
}

/**
 * Signs requests with AWS Signature V4 (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). The key of the
 * day, four of the six hashes of a signature, is kept until the day or the credentials change.
 */
export class Signer {
  readonly #host: string
  readonly #region: string
  #second = Number.NaN
  #date = ''
  #day = ''
  #keyOf: Credentials | undefined
  #keyDay = ''
  /** An object of its own: given as bytes, one is made for every signature, which takes longer than to sign. */
  #key: KeyObject = createSecretKey(Buffer.alloc(32))
  #scope = ''

  constructor(host: string, region: string) {
    this.#host = host
    this.#region = region
  }

  /** @param now milliseconds since the epoch, by the store's clock */
  sign(request: Signable, credentials: Credentials, now: number): void {
    this.#setTime(now)
    this.#setKey(credentials)
    const { method, path, query, headers, payload } = request
    headers.push('x-amz-content-sha256', payload, 'x-amz-date', this.#date)
    if (credentials.sessionToken !== undefined) headers.push('x-amz-security-token', credentials.sessionToken)
    const [canonical, names] = this.#canonicalHeaders(headers)
    const text = hash('sha256', `${method}\n${path}\n${query}\n${canonical}\n${names}\n${payload}`, 'hex')
    const signature = this.#signature(text)
    headers.push(
      'authorization',
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${this.#scope}, SignedHeaders=${names}, Signature=${signature}`,
    )
  }

  /**
   * The query of a URL by which somebody without keys can read one object
   * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html). A fortieth of what the SDK takes for it, which counts
   * where each of a million files gets one.
   *
   * @param path encoded, as it is sent
   * @param now milliseconds since the epoch, by our clock
   */
  presign(path: string, credentials: Credentials, now: number, expiresIn: number): string {
    this.#setTime(now)
    this.#setKey(credentials)
    const { accessKeyId, sessionToken } = credentials
    // In the order of their names.
    let query =
      `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=${unsignedPayload}` +
      `&X-Amz-Credential=${encodePart(`${accessKeyId}/${this.#scope}`)}&X-Amz-Date=${this.#date}&X-Amz-Expires=${expiresIn}`
    if (sessionToken !== undefined) query += `&X-Amz-Security-Token=${encodePart(sessionToken)}`
    query += '&X-Amz-SignedHeaders=host'
    const text = hash('sha256', `GET\n${path}\n${query}\nhost:${this.#host}\n\nhost\n${unsignedPayload}`, 'hex')
    return `${query}&X-Amz-Signature=${this.#signature(text)}`
  }

  #signature(text: string): string {
    return createHmac('sha256', this.#key)
      .update(`AWS4-HMAC-SHA256\n${this.#date}\n${this.#scope}\n${text}`)
      .digest('hex')
  }

  #canonicalHeaders(headers: HeaderList): [lines: string, names: string] {
    const lines = [`host:${this.#host}\n`]
    for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}:${folded(headers[i + 1] ?? '')}\n`)
    // Sorting lines would put `a-b:` before `a:`.
    const names = ['host']
    for (let i = 0; i < headers.length; i += 2) names.push(headers[i] ?? '')
    const order = names.map((_, i) => i).sort((a, b) => ((names[a] ?? '') < (names[b] ?? '') ? -1 : 1))
    let text = ''
    let list = ''
    for (const i of order) {
      text += lines[i]
      list += list === '' ? names[i] : `;${names[i]}`
    }
    return [text, list]
  }

  #setTime(now: number): void {
    const second = Math.floor(now / 1000)
    if (second === this.#second) return
    this.#second = second
    this.#date = `${new Date(second * 1000).toISOString().replace(/[-:]/g, '').slice(0, 15)}Z`
    this.#day = this.#date.slice(0, 8)
  }

  #setKey(credentials: Credentials): void {
    if (credentials === this.#keyOf && this.#day === this.#keyDay) return
    const step = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
    const date = step(`AWS4${credentials.secretAccessKey}`, this.#day)
    this.#key = createSecretKey(step(step(step(date, this.#region), 's3'), 'aws4_request'))
    this.#scope = `${this.#day}/${this.#region}/s3/aws4_request`
    this.#keyOf = credentials
    this.#keyDay = this.#day
  }
}

/** A header's value as it is signed: without blanks at its ends, those in a row as one. */
function folded(value: string): string {
  return value.includes(' ') ? value.trim().replace(/ +/g, ' ') : value
}
