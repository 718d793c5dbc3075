import { type Clock, type Random, StowageError } from '@stowage/core'
import { wrongOption } from '../shared/index.ts'
import type { OssCredentials, OssOptions } from './options.ts'
import { assumedRole } from './sts.ts'

/** New credentials are asked for this long before the old ones end, in milliseconds. */
const marginMs = 5 * 60_000
/** After a failure, while the old ones still work, nobody asks again for this long, in milliseconds. */
const pauseMs = 10_000

/** Keeps credentials until they are about to end. Calls that need new ones at the same time share them. */
export class CredentialsKeeper {
  readonly #id: string
  readonly #clock: Clock
  readonly #provide: () => OssCredentials | Promise<OssCredentials>
  /** Whether asking again can give others. */
  readonly refreshable: boolean
  #current: OssCredentials | undefined
  #asking: Promise<OssCredentials> | undefined
  #askAgainAt = 0

  /** @throws StowageError `configuration` when keys are missing */
  constructor(options: OssOptions, clock: Clock, random: Random) {
    const { id, accessKey, secretKey, sessionToken, credentials, assumeRole } = options
    this.#id = id
    this.#clock = clock
    this.refreshable = credentials !== undefined || assumeRole !== undefined
    if (assumeRole !== undefined) {
      this.#provide = assumedRole(options, assumeRole, { clock, random })
      return
    }
    if (credentials !== undefined) {
      this.#provide = credentials
      return
    }
    if (!accessKey) throw wrongOption(id, 'accessKey', 'is missing')
    if (!secretKey) throw wrongOption(id, 'secretKey', 'is missing')
    const fixed = { accessKey, secretKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
    this.#provide = () => fixed
  }

  /** Credentials that are good now. @throws StowageError `access-denied` */
  async get(): Promise<OssCredentials> {
    const current = this.#current
    if (current !== undefined && this.#isGood(current)) return current
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    try {
      return await this.#asking
    } catch (error) {
      // Those that are near their end still work.
      if (current === undefined || this.#leftMs(current) <= 0) throw error
      this.#askAgainAt = this.#clock.now() + pauseMs
      return current
    }
  }

  /** Forgets credentials that the store refused. */
  forget(refused: OssCredentials): void {
    if (this.#current === refused) this.#current = undefined
  }

  #isGood(current: OssCredentials): boolean {
    const left = this.#leftMs(current)
    return left > marginMs || (left > 0 && this.#clock.now() < this.#askAgainAt)
  }

  #leftMs({ expiresAt }: OssCredentials): number {
    return expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - this.#clock.now()
  }

  async #ask(): Promise<OssCredentials> {
    let given: OssCredentials
    try {
      given = await this.#provide()
    } catch (error) {
      // Our own are fit to be told.
      if (StowageError.isInstance(error)) throw error
      // The message may quote a request; the name alone is safe.
      const name = error instanceof Error ? error.name : typeof error
      throw new StowageError('access-denied', `${this.#id}: no credentials were given (${name}).`, {
        sourceId: this.#id,
        hint: 'Look at the function given as credentials.',
        retryable: true,
      })
    }
    if (!given?.accessKey || !given.secretKey) {
      throw new StowageError('access-denied', `${this.#id}: the credentials given lack a key.`, {
        sourceId: this.#id,
        hint: 'The function given as credentials must return accessKey and secretKey.',
      })
    }
    this.#current = { ...given }
    return this.#current
  }
}
