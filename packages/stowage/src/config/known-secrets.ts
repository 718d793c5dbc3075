import { createRedactor, type Redactor } from '@stowage/core'
import type { StowageConfig } from './types.ts'

/** A secret that is shorter is found by chance in what is no secret. */
const leastInResults = 8

/** A word is a password that nobody should have, and stands in paths and names: results keep it. */
const word = /^[a-zA-Z]{1,15}$/

/**
 * The secrets that one Stowage was given or opened, to keep them out of what is printed. There are two ways to print: what others worded
 * (errors, events, notes) is shown without all of them and without whatever looks like one; a result that somebody asked for keeps what is
 * in it on purpose, such as the session token in a signed URL.
 */
export class KnownSecrets {
  /** Secret keys, passwords, master keys: in no result. */
  readonly #keys = new Set<string>()
  readonly #tokens = new Set<string>()
  /** Access keys and users, which stand in signed URLs. */
  readonly #names = new Set<string>()
  #made: { redactor: Redactor; results: Redactor } | undefined

  /** The secrets that a configuration holds. */
  static of(config: StowageConfig): KnownSecrets {
    const known = new KnownSecrets()
    for (const source of config.sources) {
      known.addCredentials(source)
      if (source.presign !== undefined) known.addKey(source.presign.secret)
    }
    if (config.catalog?.type === 'postgres') known.#addUrl(config.catalog.url)
    if (config.queue?.type === 'bullmq') known.#addUrl(config.queue.redis)
    if (config.vault?.key !== undefined) known.addMasterKeys(config.vault.key)
    return known
  }

  addKey(secret: string): void {
    this.#add(this.#keys, secret)
  }

  addCredentials(credentials: {
    accessKey?: string | undefined
    secretKey?: string | undefined
    sessionToken?: string | undefined
  }): void {
    this.#add(this.#names, credentials.accessKey)
    this.#add(this.#keys, credentials.secretKey)
    this.#add(this.#tokens, credentials.sessionToken)
  }

  /** @param text one master key, or several as `2:KEY,1:KEY` or one to a line */
  addMasterKeys(text: string): void {
    for (const entry of text.split(/[\s,]+/)) this.#add(this.#keys, entry.replace(/^v?\d{1,9}:/, ''))
  }

  /** For what others worded. */
  get redactor(): Redactor {
    return this.#both().redactor
  }

  /** For results: it knows keys and passwords, and leaves signed URLs as they are. */
  get results(): Redactor {
    return this.#both().results
  }

  #addUrl(text: string): void {
    if (!URL.canParse(text)) return
    const { username, password } = new URL(text)
    this.#add(this.#names, username)
    // As it is written, and as the server knows it.
    for (const secret of [password, decoded(password)]) this.#add(this.#keys, secret)
  }

  #add(to: Set<string>, text: string | undefined): void {
    if (text === undefined || text === '' || to.has(text)) return
    to.add(text)
    this.#made = undefined
  }

  #both(): { redactor: Redactor; results: Redactor } {
    this.#made ??= {
      redactor: createRedactor([...this.#keys, ...this.#tokens]),
      results: createRedactor(
        [...this.#keys].filter((key) => this.#standsOut(key)),
        { forms: false },
      ),
    }
    return this.#made
  }

  /** Whether a secret in a result can be nothing else. MinIO's usual secret key, say, is its access key too, which URLs have. */
  #standsOut(key: string): boolean {
    return key.length >= leastInResults && !word.test(key) && ![...this.#names].some((name) => name.includes(key))
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
