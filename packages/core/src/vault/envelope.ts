import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { StowageError } from '../errors/index.ts'

/** The format written today: AES-256-GCM, a random 96-bit nonce, a 128-bit tag. The first byte of everything sealed. */
const SEALED_FORMAT = 1

/** Bytes of a data key and of a master key: AES-256. */
export const KEY_BYTES = 32

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Bytes that {@link encrypt} adds: nonce and tag. */
const ENVELOPE_BYTES = NONCE_BYTES + TAG_BYTES

/**
 * Nonce, ciphertext and tag. The nonce is not a parameter, not even for tests: a nonce that comes twice under one key gives the key's
 * authentication away.
 */
export function encrypt(key: Uint8Array, plain: Uint8Array, context: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(context)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** What {@link encrypt} was given, or `undefined` when key, context or a single bit is another one. */
export function decrypt(key: Uint8Array, sealed: Uint8Array, context: Uint8Array): Buffer | undefined {
  if (sealed.length < ENVELOPE_BYTES) return undefined
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(context)
  decipher.setAuthTag(sealed.subarray(end))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()])
  } catch {
    return undefined
  }
}

/** Bytes that no other list of parts gives: additional data for {@link encrypt}. Part of the format. */
export function contextOf(...parts: (string | number)[]): Uint8Array {
  return Buffer.from(JSON.stringify(['stowage', SEALED_FORMAT, ...parts]), 'utf8')
}

/** The sealed value of one field: format, nonce, ciphertext, tag. */
export function frameField(envelope: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(SEALED_FORMAT), envelope])
}

/** The envelope in a field. @throws StowageError `newer-format`, `integrity` */
export function unframeField(bytes: Uint8Array, what: string): Uint8Array {
  checkFormat(bytes, 1 + ENVELOPE_BYTES, what)
  return bytes.subarray(1)
}

/** A data key as it is stored. */
export interface DataKeyFrame {
  /** Version of the record's shape: which fields there are and what they mean. */
  schema: number
  /** Version of the master key that wrapped it. */
  keyVersion: number
  wrapped: Uint8Array
}

const DATA_KEY_HEADER = 7

/** Format (1 byte), schema (2), master key version (4), what the master key made of the data key. Big-endian. */
export function frameDataKey({ schema, keyVersion, wrapped }: DataKeyFrame): Uint8Array {
  const header = Buffer.alloc(DATA_KEY_HEADER)
  header.writeUInt8(SEALED_FORMAT, 0)
  header.writeUInt16BE(schema, 1)
  header.writeUInt32BE(keyVersion, 3)
  return Buffer.concat([header, wrapped])
}

/** Reads {@link frameDataKey}. @throws StowageError `newer-format`, `integrity` */
export function unframeDataKey(bytes: Uint8Array, what: string): DataKeyFrame {
  checkFormat(bytes, DATA_KEY_HEADER + 1, what)
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    schema: view.readUInt16BE(1),
    keyVersion: view.readUInt32BE(3),
    wrapped: bytes.subarray(DATA_KEY_HEADER),
  }
}

function checkFormat(bytes: Uint8Array, least: number, what: string): void {
  const format = bytes[0] ?? 0
  if (format > SEALED_FORMAT && format < 0x20) {
    throw new StowageError(
      'newer-format',
      `${what} is sealed in format ${format}; this version knows ${SEALED_FORMAT}.`,
      {
        hint: 'Upgrade Stowage on this machine.',
      },
    )
  }
  if (format !== SEALED_FORMAT || bytes.length < least) {
    throw new StowageError('integrity', `${what} is not something that a vault sealed.`, { retryable: false })
  }
}
