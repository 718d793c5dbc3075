import type { Draft, DraftFile } from '@stowage/core'
import type { Context } from '../app/context.ts'
import {
  type AcceptUploadOptions,
  acceptUpload,
  cancelUpload,
  checkPath,
  type DraftScope,
  type SignedPart,
  type SignedUpload,
  type SignPartsOptions,
  type SignUploadOptions,
  scopeOf,
  signParts,
  signUpload,
} from './signed/index.ts'
import {
  type DraftPlace,
  Replay,
  sendFile,
  sendFolder,
  type UploadBody,
  type UploadedFolder,
  type UploadFolderOptions,
  type UploadStreamOptions,
} from './upload/index.ts'

const PAGE = 1000

/**
 * An upload that is not published yet. Nothing of it can be read as a dataset before `publish`; it can be gone on with in another process by
 * its id, and what was sent is not sent again.
 */
export class OpenDraft {
  readonly #context: Context
  readonly #place: DraftPlace

  constructor(context: Context, place: DraftPlace) {
    this.#context = context
    this.#place = place
  }

  /** Another one, with another id, once its source was lost before it had any file: see the event `upload.failover`. */
  get draft(): Draft {
    return this.#place.draft
  }

  get id(): string {
    return this.draft.id
  }

  /**
   * Uploads a folder, or one file. Every file's checksum is verified by the store and its digest recorded.
   *
   * @throws StowageError `configuration` when there is no such folder; `invalid-key` when names cannot be kept, with the first of them;
   * the first failure when a file could not be read or sent. The draft stays open: call it again to go on. A fresh draft whose source is lost
   * before it has any file begins anew at the next source.
   */
  async uploadFolder(path: string, options: UploadFolderOptions = {}): Promise<UploadedFolder> {
    for (;;) {
      const { draft } = this
      let moved = 0
      const progress = (): number => moved
      const onMove = (): void => {
        moved++
      }
      try {
        return await this.#place.whileAlive({ signal: options.signal, progress }, (signal) =>
          sendFolder(this.#context, draft, path, { ...options, ...(signal === undefined ? {} : { signal }) }, onMove),
        )
      } catch (error) {
        if (!(await this.#place.leave(draft, error))) throw error
      }
    }
  }

  /**
   * Uploads one file from a stream or from bytes; the length need not be known. A fresh draft whose source is lost before it has any file
   * begins anew at the next source, with this file too as long as it can be sent again: bytes, a function that gives the stream, or a
   * stream of which the store has acknowledged nothing yet.
   *
   * @throws StowageError `invalid-key`, `conflict` when the path is taken, and the failure of the source
   * @example
   * ```ts
   * await draft.put('train/0001.jpg', () => createReadStream('0001.jpg'))
   * ```
   */
  async put(path: string, body: UploadBody, options: UploadStreamOptions = {}): Promise<DraftFile> {
    checkPath(path)
    const replay = new Replay(body)
    try {
      for (;;) {
        const { draft } = this
        let parts = 0
        const onPart = (): void => {
          parts++
          replay.acknowledged()
        }
        const progress = (): number => parts + replay.given
        try {
          return await this.#place.whileAlive({ signal: options.signal, progress }, (signal) =>
            sendFile(this.#context, draft, path, replay, {
              ...options,
              ...(signal === undefined ? {} : { signal }),
              onPart,
            }),
          )
        } catch (error) {
          if (!replay.canRepeat || !(await this.#place.leave(draft, error))) throw error
        }
      }
    } finally {
      await replay.close().catch(() => undefined)
    }
  }

  /**
   * Begins the upload of one file by a program that has no credentials, such as a browser: it puts the bytes straight to the store, by URLs that
   * allow nothing else. The file is in the draft only after {@link acceptUpload} has read it. Called again for the same file it gives new URLs.
   *
   * @throws StowageError `not-supported` when the store cannot sign it, `invalid-key`, `invalid-request`; `conflict` when the path is taken
   * @example
   * ```ts
   * const signed = await draft.signUpload('cat.jpg', { size: file.size, digest })
   * if (signed.kind === 'single') await fetch(signed.request.url, { ...signed.request, body: file })
   * await draft.acceptUpload('cat.jpg')
   * ```
   */
  async signUpload(path: string, options: SignUploadOptions): Promise<SignedUpload> {
    this.#place.pin()
    await this.#context.caches.assertRoom(this.draft.sourceId, options.size)
    return signUpload(this.#scope, path, options)
  }

  /**
   * URLs of further parts, or of the same ones anew, of an upload that was begun in parts.
   * @throws StowageError `not-found` when there is no such upload, `invalid-request`
   */
  signParts(path: string, options: SignPartsOptions = {}): Promise<{ partCount: number; parts: SignedPart[] }> {
    return signParts(this.#scope, path, options)
  }

  /**
   * Takes a file that was sent by URL into the draft: joins its parts, reads it once, and holds it against the size and digest that were
   * declared. Safe to repeat, also after a crash, and by several at once.
   *
   * @throws StowageError `integrity` when the file is another one (nothing of it is kept, and the upload is over) or a part has another size
   * (send it again), `not-found` when nothing, or not every part, was sent
   */
  acceptUpload(path: string, options: AcceptUploadOptions = {}): Promise<DraftFile> {
    return acceptUpload(this.#scope, path, options)
  }

  /** Gives up an upload by URL and deletes what was sent. @throws StowageError `conflict` when it was accepted already */
  cancelUpload(path: string): Promise<void> {
    return cancelUpload(this.#scope, path)
  }

  /** Files that were uploaded so far. */
  async countFiles(): Promise<number> {
    let count = 0
    for (let after: string | undefined; ; ) {
      const page = await this.#context.catalog.listDraftFiles(this.draft.id, {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      })
      count += page.length
      after = page.at(-1)?.path
      if (page.length < PAGE) return count
    }
  }

  get #scope(): DraftScope {
    return scopeOf(this.#context, this.draft)
  }
}
