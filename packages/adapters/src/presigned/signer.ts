import { createHmac, timingSafeEqual } from 'node:crypto'
import { StowageError } from '@stowage/core'
import { type Claims, signedText } from './claims.ts'

/** Bytes of a secret, at least: as many as the signature has. */
const leastSecret = 32

/** How an adapter without a server of its own presigns URLs, which {@link presignHandler} serves. */
export interface PresignSettings {
  /** Where the handler can be reached, such as `https://files.example.com/objects`. */
  baseUrl: string
  /** 32 bytes or more, of chance. Several while one replaces another: the first signs, all are taken. */
  secret: string | readonly string[]
}

/** Signs claims, and tells signatures that are ours. */
export class UrlSigner {
  readonly #keys: readonly Buffer[]

  /** @throws StowageError `configuration` for secrets that could be guessed */
  constructor(secret: PresignSettings['secret'], sourceId?: string) {
    const secrets = typeof secret === 'string' ? [secret] : secret
    const weak = secrets.some(
      (text) => typeof text !== 'string' || Buffer.byteLength(text) < leastSecret || new Set(text).size < 8,
    )
    if (secrets.length === 0 || weak) {
      throw new StowageError('configuration', 'A secret to presign with must be 32 bytes of chance.', {
        field: 'presign.secret',
        hint: 'Make one with: openssl rand -base64 48',
        ...(sourceId === undefined ? {} : { sourceId }),
      })
    }
    // A key of its own, whatever else the secret may be used for.
    this.#keys = secrets.map((text) => createHmac('sha256', text).update('stowage presigned url').digest())
  }

  sign(claims: Claims): string {
    return mac(this.#keys[0] as Buffer, claims).toString('hex')
  }

  isSigned(claims: Claims, signature: string): boolean {
    const given = Buffer.from(signature, 'hex')
    if (given.toString('hex') !== signature) return false
    let found = false
    for (const key of this.#keys) {
      const right = mac(key, claims)
      if (given.length === right.length && timingSafeEqual(given, right)) found = true
    }
    return found
  }
}

function mac(key: Buffer, claims: Claims): Buffer {
  return createHmac('sha256', key).update(signedText(claims)).digest()
}
