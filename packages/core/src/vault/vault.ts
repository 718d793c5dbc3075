import { randomBytes } from 'node:crypto'
import { StowageError, throwIfAborted } from '../errors/index.ts'
import {
  contextOf,
  decrypt,
  encrypt,
  frameDataKey,
  frameField,
  KEY_BYTES,
  unframeDataKey,
  unframeField,
} from './envelope.ts'
import type { MasterKey, MasterKeyProvider, WrapContext } from './master-key.ts'
import type { Sealed } from './sealed.ts'
import { Secret } from './secret.ts'

/** Version of the shape of what is sealed, bound into it. A reader refuses a newer one. */
export const CREDENTIAL_SCHEMA = 1

/** What a vault is made of. */
export interface VaultOptions {
  /** The identity of the catalog that the sealed records lie in. What was sealed for one catalog cannot be opened in another. */
  catalogId: string
  /** Every master key that may still be needed. The highest version seals; the others only open. */
  keys: readonly (MasterKey | MasterKeyProvider)[]
  /**
   * Records under an older master key are refused. Raise it after a re-wrap, so that a leaked old key opens nothing that is put back.
   * @defaultValue 1
   */
  minimumVersion?: number
}

/**
 * Encrypts credentials at rest: a random data key for every record, AES-256-GCM, additional data of catalog, source, field and schema;
 * the data key wrapped by a master key. A value that was changed, or moved to another field, source or catalog, does not open.
 *
 * @example
 * ```ts
 * const vault = await openVault({ catalogId, keys: [envKey('STOWAGE_MASTER_KEY')] })
 * const sealed = await vault.seal('lan', { accessKey, secretKey })
 * const { secretKey } = await vault.open('lan', sealed)
 * sign(secretKey.reveal())
 * ```
 */
export interface Vault {
  /** The master key version that seals. */
  readonly newestVersion: number
  /** Encrypts the texts of one source under a new data key. @throws StowageError `unavailable` when a key service does not answer */
  seal(
    sourceId: string,
    fields: Readonly<Record<string, string | Secret>>,
    options?: { signal?: AbortSignal },
  ): Promise<Sealed>
  /**
   * Decrypts them.
   * @throws StowageError `integrity` naming source and field when the key is wrong or anything was changed or moved, `newer-format`,
   * `configuration` when the master key's version is not known or below the minimum, `unavailable` when a key service does not answer
   */
  open(sourceId: string, sealed: Sealed, options?: { signal?: AbortSignal }): Promise<Record<string, Secret>>
  /**
   * Wraps a data key by the newest master key, or returns `undefined` when it is already. The sealed fields stay as they are.
   * @throws StowageError as {@link Vault.open}
   */
  rewrap(sourceId: string, dataKey: Uint8Array, options?: { signal?: AbortSignal }): Promise<Uint8Array | undefined>
}

/**
 * Loads the master keys and opens a vault.
 * @throws StowageError `configuration` when a key is missing, weak, or a version is given twice
 */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const keys = new Map<number, MasterKey>()
  for (const entry of options.keys) {
    for (const key of 'load' in entry ? await entry.load() : [entry]) {
      const valid = Number.isInteger(key.version) && key.version >= 1 && key.version <= 0xffff_ffff
      if (!valid) throw misconfigured('keys', 'A master key has a version that is not a whole number from 1.')
      if (keys.has(key.version)) throw misconfigured('keys', `There are two master keys of version ${key.version}.`)
      keys.set(key.version, key)
    }
  }
  const newest = Math.max(0, ...keys.keys())
  const key = keys.get(newest)
  if (key === undefined) throw misconfigured('keys', 'The vault has no master key.')
  const minimum = options.minimumVersion ?? 1
  if (minimum > newest) {
    throw misconfigured('minimumVersion', `The minimum version ${minimum} is above the newest master key, ${newest}.`)
  }
  return new EnvelopeVault(options.catalogId, keys, key, minimum)
}

class EnvelopeVault implements Vault {
  readonly #catalogId: string
  readonly #keys: ReadonlyMap<number, MasterKey>
  readonly #newest: MasterKey
  readonly #minimum: number

  constructor(catalogId: string, keys: ReadonlyMap<number, MasterKey>, newest: MasterKey, minimum: number) {
    this.#catalogId = catalogId
    this.#keys = keys
    this.#newest = newest
    this.#minimum = minimum
  }

  get newestVersion(): number {
    return this.#newest.version
  }

  async seal(
    sourceId: string,
    fields: Readonly<Record<string, string | Secret>>,
    options?: { signal?: AbortSignal },
  ): Promise<Sealed> {
    const dataKey = randomBytes(KEY_BYTES)
    try {
      const sealed: Record<string, Uint8Array> = {}
      for (const [field, value] of Object.entries(fields)) {
        const text = typeof value === 'string' ? value : value.reveal()
        if (!text.isWellFormed()) {
          throw new StowageError('invalid-request', `The ${field} of source "${sourceId}" is not valid Unicode.`, {
            sourceId,
            field,
          })
        }
        const context = this.#fieldContext(sourceId, field, CREDENTIAL_SCHEMA)
        sealed[field] = frameField(encrypt(dataKey, Buffer.from(text, 'utf8'), context))
      }
      return { dataKey: await this.#wrap(sourceId, dataKey, CREDENTIAL_SCHEMA, options), fields: sealed }
    } finally {
      dataKey.fill(0)
    }
  }

  async open(sourceId: string, sealed: Sealed, options?: { signal?: AbortSignal }): Promise<Record<string, Secret>> {
    const { dataKey, schema } = await this.#unwrap(sourceId, sealed.dataKey, options)
    try {
      const opened: Record<string, Secret> = {}
      for (const [field, bytes] of Object.entries(sealed.fields)) {
        const envelope = about(sourceId, field, () => unframeField(bytes, `The ${field} of source "${sourceId}"`))
        const plain = decrypt(dataKey, envelope, this.#fieldContext(sourceId, field, schema))
        if (plain === undefined) throw broken(sourceId, field, 'It was changed, or belongs to another record or field.')
        opened[field] = new Secret(plain.toString('utf8'))
        plain.fill(0)
      }
      return opened
    } finally {
      dataKey.fill(0)
    }
  }

  async rewrap(
    sourceId: string,
    wrapped: Uint8Array,
    options?: { signal?: AbortSignal },
  ): Promise<Uint8Array | undefined> {
    const { dataKey, schema, keyVersion } = await this.#unwrap(sourceId, wrapped, options)
    try {
      if (keyVersion === this.#newest.version) return undefined
      return await this.#wrap(sourceId, dataKey, schema, options)
    } finally {
      dataKey.fill(0)
    }
  }

  async #wrap(
    sourceId: string,
    dataKey: Uint8Array,
    schema: number,
    options?: { signal?: AbortSignal },
  ): Promise<Uint8Array> {
    const keyVersion = this.#newest.version
    const context: WrapContext = { catalogId: this.#catalogId, sourceId, schema, keyVersion }
    const wrapped = await asked(sourceId, options, () => this.#newest.wrap(dataKey, context, options))
    return frameDataKey({ schema, keyVersion, wrapped })
  }

  async #unwrap(
    sourceId: string,
    bytes: Uint8Array,
    options?: { signal?: AbortSignal },
  ): Promise<{ dataKey: Uint8Array; schema: number; keyVersion: number }> {
    const what = `The dataKey of source "${sourceId}"`
    const { schema, keyVersion, wrapped } = about(sourceId, 'dataKey', () => unframeDataKey(bytes, what))
    const key = this.#keys.get(keyVersion)
    if (keyVersion < this.#minimum) {
      throw misconfigured(
        'minimumVersion',
        `${what} is sealed with master key version ${keyVersion}; the minimum is ${this.#minimum}.`,
        'Lower the minimum, wrap all records again, then raise it.',
        sourceId,
      )
    }
    if (key === undefined) {
      const known = [...this.#keys.keys()].sort((a, b) => a - b).join(', ')
      throw misconfigured(
        'keys',
        `${what} is sealed with master key version ${keyVersion}; the vault knows ${known}.`,
        `Add it as "${keyVersion}:KEY".`,
        sourceId,
      )
    }
    const context: WrapContext = { catalogId: this.#catalogId, sourceId, schema, keyVersion }
    const dataKey = await asked(sourceId, options, () => key.unwrap(wrapped, context, options))
    if (dataKey.length !== KEY_BYTES) throw broken(sourceId, 'dataKey', 'It has another length.')
    // The schema is bound in, so it is believed only now: before, a flipped bit would look like a newer version.
    if (schema !== CREDENTIAL_SCHEMA) {
      dataKey.fill(0)
      throw new StowageError('newer-format', `The credentials of source "${sourceId}" have schema ${schema}.`, {
        sourceId,
        hint: 'Upgrade Stowage on this machine.',
      })
    }
    return { dataKey, schema, keyVersion }
  }

  #fieldContext(sourceId: string, field: string, schema: number): Uint8Array {
    return contextOf('field', this.#catalogId, sourceId, field, schema)
  }
}

/** Asks a master key, whose errors do not know what they are about. */
async function asked(
  sourceId: string,
  options: { signal?: AbortSignal } | undefined,
  ask: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  throwIfAborted(options?.signal)
  try {
    return await ask()
  } catch (error) {
    throwIfAborted(options?.signal)
    if (!StowageError.isInstance(error)) {
      const message = `The key service failed for the credentials of source "${sourceId}".`
      throw new StowageError('unavailable', message, { cause: error, sourceId })
    }
    if (error.code === 'integrity') throw broken(sourceId, 'dataKey', error.message, error)
    throw error
  }
}

function about<T>(sourceId: string, field: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!StowageError.isInstance(error)) throw error
    throw new StowageError(error.code, error.message, {
      sourceId,
      field,
      retryable: false,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }
}

function broken(sourceId: string, field: string, why: string, cause?: unknown): StowageError {
  return new StowageError('integrity', `The ${field} of source "${sourceId}" cannot be opened. ${why}`, {
    sourceId,
    field,
    retryable: false,
    hint: 'Check that the master key is the one it was sealed with; otherwise set the credentials again.',
    ...(cause === undefined ? {} : { cause }),
  })
}

function misconfigured(option: string, message: string, hint?: string, sourceId?: string): StowageError {
  return new StowageError('configuration', message, {
    field: `vault.${option}`,
    ...(hint === undefined ? {} : { hint }),
    ...(sourceId === undefined ? {} : { sourceId }),
  })
}
