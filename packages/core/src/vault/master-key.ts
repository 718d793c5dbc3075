import { createHmac } from 'node:crypto'
import { StowageError } from '../errors/index.ts'
import { decrypt, encrypt, KEY_BYTES } from './envelope.ts'
import { weakness } from './key-text.ts'

/** What a wrapped data key belongs to. A key service takes it as its encryption context; it is not secret. */
export interface WrapContext {
  readonly catalogId: string
  readonly sourceId: string
  readonly schema: number
  readonly keyVersion: number
}

/**
 * One version of a master key: something that wraps data keys and unwraps them again. A key service (KMS) is one class that
 * implements this; the master key itself then never is in this process.
 *
 * @example
 * ```ts
 * const key: MasterKey = {
 *   version: 2,
 *   wrap: async (dataKey, context) => (await kms.encrypt({ KeyId, Plaintext: dataKey, EncryptionContext: texts(context) })).CiphertextBlob,
 *   unwrap: async (wrapped, context) => (await kms.decrypt({ CiphertextBlob: wrapped, EncryptionContext: texts(context) })).Plaintext,
 * }
 * ```
 */
export interface MasterKey {
  /** From 1 to 2^32 - 1. New records use the highest version that is known. */
  readonly version: number
  /** Encrypts a data key of 32 bytes so that it can be read only in the same context. */
  wrap(dataKey: Uint8Array, context: WrapContext, options?: { signal?: AbortSignal }): Promise<Uint8Array>
  /**
   * What {@link wrap} was given, in an array that the vault overwrites after use.
   * @throws StowageError `integrity` when the bytes, the key or the context is another one; `unavailable` when a service does not answer
   */
  unwrap(wrapped: Uint8Array, context: WrapContext, options?: { signal?: AbortSignal }): Promise<Uint8Array>
}

/** Where master keys come from: see `envKey` and `fileKey`. */
export interface MasterKeyProvider {
  /** @throws StowageError `configuration` when there is no usable key */
  load(): Promise<readonly MasterKey[]>
}

const CHECK_BYTES = 8

/**
 * A master key in this process's memory. Wrapped data keys begin with a check value of the master key (a MAC of a constant, which says
 * nothing about the key), so that another key of the same version is told from a damaged row.
 * @throws StowageError `configuration` when it is not 32 bytes or does not look random
 */
export function localMasterKey(version: number, bytes: Uint8Array): MasterKey {
  const why = weakness(bytes)
  if (why !== undefined) {
    throw new StowageError('configuration', `The master key of version ${version} ${why}.`, {
      field: 'vault.keys',
      hint: 'Make one with: openssl rand -base64 32',
    })
  }
  return new LocalMasterKey(version, bytes)
}

class LocalMasterKey implements MasterKey {
  readonly version: number
  readonly #key: Uint8Array
  readonly #check: Uint8Array

  constructor(version: number, bytes: Uint8Array) {
    this.version = version
    this.#key = Uint8Array.from(bytes)
    this.#check = createHmac('sha256', this.#key).update('stowage master key check').digest().subarray(0, CHECK_BYTES)
  }

  async wrap(dataKey: Uint8Array, context: WrapContext): Promise<Uint8Array> {
    return Buffer.concat([this.#check, encrypt(this.#key, dataKey, toBytes(context))])
  }

  async unwrap(wrapped: Uint8Array, context: WrapContext): Promise<Uint8Array> {
    if (!this.#check.every((byte, i) => byte === wrapped[i])) {
      throw new StowageError('integrity', `It was sealed with another master key of version ${this.version}.`, {
        retryable: false,
      })
    }
    const dataKey = decrypt(this.#key, wrapped.subarray(CHECK_BYTES), toBytes(context))
    if (dataKey?.length === KEY_BYTES) return dataKey
    throw new StowageError('integrity', 'It was changed, or belongs to another record.', { retryable: false })
  }
}

function toBytes({ catalogId, sourceId, schema, keyVersion }: WrapContext): Uint8Array {
  return Buffer.from(JSON.stringify(['stowage', 'data key', catalogId, sourceId, schema, keyVersion]), 'utf8')
}
