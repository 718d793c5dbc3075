import { hasCode } from '@stowage/core'
import type { Found, StreamRecord } from './notes.ts'
import type { DraftScope } from './scope.ts'

/** How often a writer shows that it lives, in milliseconds. */
const BEAT = 60_000

/** The note about one multipart upload of a stream, so that it is swept when its writer dies. */
export class StreamNote {
  readonly #scope: DraftScope
  readonly #key: string
  readonly #name: string
  #found: Found<StreamRecord> | undefined
  #beatAt = 0

  /** @param key relative to the replica path */
  constructor(scope: DraftScope, key: string) {
    const { random, clock } = scope.context
    this.#scope = scope
    this.#key = key
    this.#name = scope.notes.stream(random.id(clock.now()))
  }

  /** Before the upload is created. */
  async begin(): Promise<void> {
    await this.#write(null)
  }

  async created(uploadId: string): Promise<void> {
    await this.#write(uploadId)
  }

  /** Called with every part. @throws StowageError `conflict` when the upload was swept */
  async alive(): Promise<void> {
    if (this.#scope.context.clock.now() - this.#beatAt < BEAT) return
    try {
      await this.#write(this.#found?.value.uploadId ?? null)
    } catch (error) {
      // The catalog may be away for a while: the next beat makes up for it.
      if (hasCode(error, 'conflict')) throw error
    }
  }

  /** Once the upload became an object or was aborted. A note that cannot be forgotten is swept, and there is nothing left to abort. */
  async end(): Promise<void> {
    await this.#scope.notes.forget(this.#name).catch(() => undefined)
  }

  async #write(uploadId: string | null): Promise<void> {
    const { notes, context } = this.#scope
    this.#beatAt = context.clock.now()
    const value: StreamRecord = { key: this.#key, uploadId, aliveAt: await notes.now() }
    this.#found = await notes.write(this.#name, value, this.#found?.revision ?? null)
  }
}
