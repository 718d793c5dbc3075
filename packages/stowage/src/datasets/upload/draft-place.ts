import { type Draft, hasCode, toStowageError, type UploadFailover } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { giveUp, scopeOf } from '../signed/index.ts'
import { isLost, UPLOAD_STALL, whileAlive } from './alive.ts'
import type { Begun } from './begin-draft.ts'

export interface DraftPlaceOptions {
  /** Begins a draft somewhere else than at these sources. Absent for a draft that others know of already. */
  elsewhere?: (tried: readonly string[]) => Promise<Begun>
  /** Nobody else has the draft, and what was sent can be sent again: it may be left with what it has. @defaultValue false */
  isOwn?: boolean
  /** Milliseconds without progress after which the source is asked whether it is there at all. @defaultValue 10000 */
  stallMs?: number | undefined
}

/**
 * Where a draft lies. A fresh one whose source is lost begins anew at the next source, as a draft of its own; the first is given up, and what
 * of it lies at the lost source is left to the sweep.
 */
export class DraftPlace {
  readonly failovers: UploadFailover[] = []
  readonly #context: Context
  readonly #options: DraftPlaceOptions
  readonly #tried: string[] = []
  #draft: Draft
  #isPinned = false
  #moving: Promise<boolean> | undefined

  constructor(context: Context, draft: Draft, options: DraftPlaceOptions = {}) {
    this.#context = context
    this.#draft = draft
    this.#options = options
  }

  get draft(): Draft {
    return this.#draft
  }

  get #stallMs(): number {
    return this.#options.stallMs ?? UPLOAD_STALL
  }

  /** Somebody else knows of this draft now: it stays where it is. */
  pin(): void {
    this.#isPinned = true
  }

  /**
   * Does work that sends to the draft's source. Where the draft could begin anew elsewhere, the work is ended when the source is lost.
   * @throws StowageError `unavailable` when it is, and what the work throws
   */
  whileAlive<T>(
    options: { signal?: AbortSignal | undefined; progress?: () => number },
    work: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const { signal, progress = () => 0 } = options
    if (this.#options.elsewhere === undefined || this.#isPinned) return work(signal)
    return whileAlive(this.#context, this.#draft.sourceId, { signal, progress, stallMs: this.#stallMs }, work)
  }

  /**
   * Begins anew at another source when this failure says that the draft's own is lost.
   * @param draft what the failed upload went to
   * @returns whether the upload can be begun again, in what {@link draft} is now
   */
  async leave(draft: Draft, failure: unknown): Promise<boolean> {
    if (hasCode(failure, 'aborted')) return false
    // Another upload into it has moved it already.
    if (this.#draft !== draft) return true
    this.#moving ??= this.#move(draft, failure).finally(() => {
      this.#moving = undefined
    })
    return this.#moving
  }

  async #move(draft: Draft, failure: unknown): Promise<boolean> {
    const { elsewhere, isOwn = false } = this.#options
    if (elsewhere === undefined || this.#isPinned) return false
    if (!(await isLost(this.#context, draft.sourceId, failure, this.#stallMs))) return false
    const tried = [...this.#tried, draft.sourceId]
    try {
      if (!isOwn && (await this.#isShared(draft))) return false
      const next = await elsewhere(tried)
      if (!(await giveUp(this.#context, draft, { ifEmpty: !isOwn }))) {
        await this.#context.catalog.discardDraft(next.draft.id, { ifEmpty: true })
        return false
      }
      this.#tried.push(draft.sourceId)
      this.#draft = next.draft
      this.#tell(draft, next.draft, toStowageError(failure).code)
      return true
    } catch {
      // Nowhere to go, or the catalog is away too: the failure that began it says more.
      return false
    }
  }

  /** Whether somebody was given URLs into it. */
  async #isShared(draft: Draft): Promise<boolean> {
    for await (const _ of scopeOf(this.#context, draft).notes.keys('signed/')) return true
    return false
  }

  #tell(from: Draft, to: Draft, code: string): void {
    const event: UploadFailover = {
      datasetId: from.datasetId,
      fromDraftId: from.id,
      draftId: to.id,
      from: from.sourceId,
      to: to.sourceId,
      code,
    }
    this.failovers.push(event)
    this.#context.events.emit('upload.failover', event)
  }
}
