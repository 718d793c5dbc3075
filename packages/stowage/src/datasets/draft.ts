import { realpath, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { contentTypeOf, filesystem } from '@stowage/adapters/filesystem'
import {
  at,
  BLOCK_SIZE,
  blocksKey,
  compareKeys,
  type Draft,
  type DraftFile,
  digestStream,
  harmless,
  type StorageAdapter,
  StowageError,
  type SyncProgress,
  type UploadProgress,
} from '@stowage/core'
import type { SettledObject, SourceObject, SyncResult } from '@stowage/sync'
import type { Context } from '../app/context.ts'
import { keepBlocks } from './blocks.ts'
import { exists } from './objects.ts'
import { PathGuard } from './path-guard.ts'
import { putStream } from './put-stream.ts'
import {
  type AcceptUploadOptions,
  acceptUpload,
  cancelUpload,
  checkPath,
  type DraftScope,
  refuseTaken,
  type SignedPart,
  type SignedUpload,
  type SignPartsOptions,
  type SignUploadOptions,
  StreamNote,
  scopeOf,
  signParts,
  signUpload,
} from './signed/index.ts'
import { UploadError } from './upload-error.ts'

const PAGE = 1000

export interface UploadFolderOptions {
  signal?: AbortSignal
  onProgress?: (progress: UploadProgress) => void
  /** Transfers at once. @defaultValue 16 */
  concurrency?: number
  /** Folder inside the dataset. @defaultValue its root */
  under?: string
}

export interface UploadStreamOptions {
  contentType?: string
  signal?: AbortSignal
}

/** What an upload of a folder did. */
export interface UploadedFolder {
  files: number
  /** Bytes sent; less than the folder's size when an earlier run had sent some. */
  transferred: number
  /** Names that differ only by case or by composition of accents, which some disks cannot hold side by side. */
  collisions: { path: string; other: string }[]
  /** What lay in the folder and is no file: sockets, links that lead out. */
  ignored: string[]
}

/**
 * An upload that is not published yet. Nothing of it can be read as a dataset before `publish`; it can be gone on with in another process by
 * its id, and what was sent is not sent again.
 */
export class OpenDraft {
  readonly draft: Draft
  readonly #context: Context
  readonly #scope: DraftScope

  constructor(context: Context, draft: Draft) {
    this.#context = context
    this.#scope = scopeOf(context, draft)
    this.draft = draft
  }

  get id(): string {
    return this.draft.id
  }

  /**
   * Uploads a folder, or one file. Every file's checksum is verified by the store and its digest recorded.
   *
   * @throws StowageError `configuration` when there is no such folder; `invalid-key` when names cannot be kept, with the first of them;
   * the first failure when a file could not be read or sent. The draft stays open: call it again to go on.
   */
  async uploadFolder(path: string, options: UploadFolderOptions = {}): Promise<UploadedFolder> {
    const { root, only } = await open(path)
    const local = filesystem({ id: localId(root), root })
    let guard = new PathGuard()
    let last = ''
    const collisions: UploadedFolder['collisions'] = []
    const onProgress = harmless(options.onProgress, 'onProgress')
    const under = options.under === undefined || options.under === '' ? '' : `${options.under.replace(/\/+$/, '')}/`
    await this.#context.caches.assertRoom(this.draft.sourceId)
    const target = await this.#adapter()
    try {
      const result = await this.#context.sync.run({
        from: at(local),
        to: { adapter: target, prefix: `${this.draft.path}${this.draft.id}/${under}` },
        ...(only === undefined ? {} : { objects: () => one(local, only) }),
        createOnly: true,
        managedCheck: false,
        datasetId: this.draft.datasetId,
        ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        checkKey: (key) => {
          // A run that goes on in the middle looks at what lies before afterwards.
          if (compareKeys(key, last) < 0) guard = new PathGuard()
          last = key
          const other = guard.collision(under + key)
          if (other !== undefined) collisions.push({ path: under + key, other })
          return guard.problem(under + key)
        },
        onSettled: async (objects) => {
          await this.#record(objects, under, options.signal)
        },
        onProgress: (progress) => this.#progress(progress, onProgress),
      })
      finish(result, this.draft.id)
      return {
        files: result.objects.copied + result.objects.skipped,
        transferred: result.bytes.transferred,
        collisions,
        ignored: result.warnings,
      }
    } finally {
      await local.close()
    }
  }

  /** Uploads one file from a stream or from bytes; the length need not be known. */
  async put(
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: UploadStreamOptions = {},
  ): Promise<DraftFile> {
    checkPath(path)
    await refuseTaken(this.#scope, [path])
    await this.#context.caches.assertRoom(this.draft.sourceId, body instanceof Uint8Array ? body.length : 0)
    const adapter = await this.#adapter()
    const key = `${this.draft.id}/${path}`
    const note = new StreamNote(this.#scope, key)
    const digest = await putStream(adapter, this.draft.path + key, body, { ...options, note })
    await keepBlocks(adapter, this.draft.path, digest)
    const file: DraftFile = {
      path,
      key,
      size: digest.size,
      digest: digest.digest,
      ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
    }
    await refuseTaken(this.#scope, [path])
    await this.#context.catalog.putDraftFiles(this.draft.id, [file])
    return file
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

  async #record(objects: readonly SettledObject[], under: string, signal: AbortSignal | undefined): Promise<void> {
    const adapter = await this.#adapter()
    const files: DraftFile[] = []
    for (const object of objects) {
      const path = under + object.key
      const key = `${this.draft.id}/${path}`
      const { digest, size } = await this.#identify(adapter, key, object, signal)
      files.push({ path, key, size, digest, contentType: contentTypeOf(path) })
    }
    await refuseTaken(
      this.#scope,
      files.map((file) => file.path),
    )
    await this.#context.catalog.putDraftFiles(this.draft.id, files)
    await this.#context.caches.assertRoom(this.draft.sourceId)
  }

  /** The identity of a settled object. After a crash it may be known only by its bytes: then they are read once more. */
  async #identify(
    adapter: StorageAdapter,
    key: string,
    object: SettledObject,
    signal: AbortSignal | undefined,
  ): Promise<{ digest: string; size: number }> {
    const { digest, blocks, size } = object
    if (digest !== undefined && size <= BLOCK_SIZE) return { digest, size }
    if (digest !== undefined && blocks !== undefined) {
      await keepBlocks(adapter, this.draft.path, { digest, blocks, size })
      return { digest, size }
    }
    if (digest !== undefined && (await exists(adapter, this.draft.path + blocksKey(digest)))) return { digest, size }
    const { body } = await adapter.get(this.draft.path + key, signal === undefined ? {} : { signal })
    const read = await digestStream(body)
    await keepBlocks(adapter, this.draft.path, read)
    return read
  }

  #progress(progress: SyncProgress, listener: (progress: UploadProgress) => void): void {
    const upload: UploadProgress = {
      datasetId: this.draft.datasetId,
      draftId: this.draft.id,
      files: progress.objects.copied + progress.objects.skipped,
      bytes: progress.bytes,
      totalBytes: progress.totalBytes,
      listingDone: progress.listingDone,
      percent: progress.percent,
      rate: progress.rate,
      ...(progress.secondsLeft === undefined ? {} : { secondsLeft: progress.secondsLeft }),
    }
    listener(upload)
    this.#context.events.emit('upload.progress', upload)
  }

  #adapter(): Promise<StorageAdapter> {
    return this.#context.sources.adapter(this.draft.sourceId)
  }
}

async function open(path: string): Promise<{ root: string; only?: string }> {
  try {
    const real = await realpath(path)
    const found = await stat(real)
    if (found.isDirectory()) return { root: real }
    if (!found.isFile()) throw new Error('neither a file nor a folder')
    return { root: dirname(real), only: basename(real) }
  } catch (cause) {
    throw new StowageError('configuration', `There is nothing to upload at "${path}".`, {
      cause,
      hint: 'Name a folder or a file.',
    })
  }
}

/** What the folder of an upload is called as the source of its task. */
function localId(root: string): string {
  return `local:${root}`
}

/** The source, in tasks, of an upload of this folder or file. @throws StowageError `configuration` when there is none */
export async function localSourceOf(path: string): Promise<string> {
  return localId((await open(path)).root)
}

async function* one(local: StorageAdapter, key: string): AsyncGenerator<SourceObject[]> {
  const { size, etag } = await local.head(key)
  yield [{ key, size, etag }]
}

/** @throws UploadError when files failed, `aborted` when it was stopped, or what ended it */
function finish(result: SyncResult, draftId: string): void {
  if (result.status === 'success') return
  const hint = `Nothing was published. Go on with draft ${draftId}; what was sent is not sent again.`
  const [first] = result.errors
  if (first !== undefined) throw new UploadError(first, result, hint)
  if (result.error !== undefined) throw new StowageError(result.error.code, result.error.message, { hint })
  throw new StowageError('aborted', 'The upload was stopped before its end.', { hint })
}
