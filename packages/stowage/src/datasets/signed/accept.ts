import {
  type DraftFile,
  type GetResult,
  hasCode,
  type StorageAdapter,
  StowageError,
  throwIfAborted,
  type UploadedPart,
} from '@stowage/core'
import { keepBlocks } from '../blocks.ts'
import { forgetBlocks, readBlocks } from './declared.ts'
import { identify } from './identify.ts'
import type { Found, SignedRecord } from './notes.ts'
import { partCountOf, partOf } from './plan.ts'
import { readPinned } from './read-pinned.ts'
import { clear, inDraft, refusal, refuse } from './refuse.ts'
import { abortAll, adapterOf, change, type DraftScope } from './scope.ts'

/** Part numbers and paths that a message names, at most. */
const NAMED = 10

export interface AcceptUploadOptions {
  signal?: AbortSignal
}

/**
 * Takes a file that was sent by signed URL into the draft, once its bytes were read and found to be what was declared. Every step is written
 * down in one change of the note, so a call that died is continued by the next, and of two at the same moment both give the same answer.
 */
export async function acceptUpload(
  scope: DraftScope,
  path: string,
  { signal }: AcceptUploadOptions = {},
): Promise<DraftFile> {
  const { context, draft, notes } = scope
  const adapter = await adapterOf(scope)
  for (;;) {
    throwIfAborted(signal)
    const found = await notes.read<SignedRecord>(notes.signed(path))
    if (found === undefined) {
      const file = await context.catalog.getDraftFile(draft.id, path)
      if (file !== undefined) return file
      throw new StowageError('not-found', `No upload of "${path}" was begun by URL.`, {
        key: path,
        hint: 'Begin it with signUpload.',
      })
    }
    if (found.value.state === 'refused') {
      await clear(scope, adapter, found.value, inDraft(scope))
      throw refusal(found.value)
    }
    const accepted = found.value.state === 'accepted' ? found : await judge(scope, adapter, found, signal)
    if (accepted !== undefined) return enter(scope, adapter, accepted)
  }
}

/** As {@link verify}. What fails because somebody else was faster, who made the object, or refused and deleted it, is no failure. */
async function judge(
  scope: DraftScope,
  adapter: StorageAdapter,
  found: Found<SignedRecord>,
  signal: AbortSignal | undefined,
): Promise<Found<SignedRecord> | undefined> {
  try {
    return await verify(scope, adapter, found, signal)
  } catch (error) {
    const now = await scope.notes.read<SignedRecord>(scope.notes.signed(found.value.path)).catch(() => found)
    if (now?.revision !== found.revision) return undefined
    throw error
  }
}

/** Reads the bytes and gives the verdict; `undefined` when somebody else came first. @throws StowageError the refusal */
async function verify(
  scope: DraftScope,
  adapter: StorageAdapter,
  found: Found<SignedRecord>,
  signal: AbortSignal | undefined,
): Promise<Found<SignedRecord> | undefined> {
  const { value: record } = found
  const opened = await landed(scope, adapter, record, signal)
  const { info, body } = opened
  const blocks = await readBlocks(scope.notes, record).catch((error) => {
    body.destroy()
    throw error
  })
  let read: Awaited<ReturnType<typeof identify>>
  if (info.size === record.size) {
    const bytes = readPinned(adapter, scope.draft.path + record.key, opened, { clock: scope.context.clock, signal })
    read = await identify(bytes, { size: record.size, digest: record.digest, blocks })
  } else read = `has ${info.size} bytes instead of ${record.size}`
  body.destroy()
  if (typeof read === 'string') {
    const message = `What was sent for "${record.path}" ${read}.`
    const refused = await refuse(scope, adapter, found, { code: 'integrity', message })
    if (refused === undefined) return undefined
    throw refusal(refused.value)
  }
  await keepBlocks(adapter, scope.draft.path, read)
  return change(scope, found, { ...record, state: 'accepted', etag: info.etag })
}

/** The object that was sent, open; made of its parts first, when it was sent in parts. */
async function landed(
  scope: DraftScope,
  adapter: StorageAdapter,
  record: SignedRecord,
  signal: AbortSignal | undefined,
): Promise<GetResult> {
  const key = scope.draft.path + record.key
  const there = await getIfThere(adapter, key, signal)
  if (there !== undefined) return there
  if (record.uploadId !== null) await complete(adapter, key, record, signal)
  const made = record.uploadId === null ? undefined : await getIfThere(adapter, key, signal)
  if (made !== undefined) return made
  throw new StowageError('not-found', `"${record.path}" has not been sent.`, {
    key: record.path,
    hint:
      record.uploadId === null
        ? 'Send it to its URL first. signUpload gives a new one when it has expired.'
        : 'The store knows its parts no more. Give it up with cancelUpload and begin it again.',
  })
}

async function getIfThere(
  adapter: StorageAdapter,
  key: string,
  signal: AbortSignal | undefined,
): Promise<GetResult | undefined> {
  try {
    return await adapter.get(key, signal === undefined ? {} : { signal })
  } catch (error) {
    if (hasCode(error, 'not-found')) return undefined
    throw error
  }
}

/** Makes the object of the parts that the store says it has. One that is there by now is as good: its bytes are read in any case. */
async function complete(
  adapter: StorageAdapter,
  key: string,
  record: SignedRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  const call = signal === undefined ? {} : { signal }
  const uploadId = record.uploadId ?? ''
  const listed = await unlessGone(adapter.multipart.listParts(key, uploadId, call))
  if (listed === undefined) return
  const parts = checkParts(record, listed)
  const createOnly = adapter.capabilities.conditional.completeCreateOnly ? { ifNoneMatch: '*' as const } : {}
  await unlessGone(adapter.multipart.complete(key, uploadId, parts, { ...call, ...createOnly }))
}

/** `undefined` when the upload became an object meanwhile, or another object came first. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (hasCode(error, 'not-found', 'precondition-failed')) return undefined
    throw error
  }
}

/** The parts of the file in order, each in its size. @throws StowageError `not-found` for parts that are missing, `integrity` for wrong sizes */
function checkParts(record: SignedRecord, listed: readonly UploadedPart[]): UploadedPart[] {
  const file = { size: record.size, partSize: record.partSize ?? record.size }
  const byNumber = new Map(listed.map((part) => [part.partNumber, part]))
  const parts: UploadedPart[] = []
  const missing: number[] = []
  const wrong: string[] = []
  for (let n = 1; n <= partCountOf(file); n++) {
    const part = byNumber.get(n)
    const { size } = partOf(file, n)
    if (part === undefined) missing.push(n)
    else if (part.size !== size) wrong.push(`${n} (${part.size} bytes instead of ${size})`)
    else parts.push(part)
  }
  if (missing.length + wrong.length === 0) return parts
  const what = missing.length > 0 ? `have not been sent: ${some(missing)}` : `have another size: ${some(wrong)}`
  throw new StowageError(missing.length > 0 ? 'not-found' : 'integrity', `Parts of "${record.path}" ${what}.`, {
    key: record.path,
    retryable: false,
    hint: 'Send them, then accept again. signParts gives their URLs with { missing: true }.',
  })
}

/** Puts the file into the draft and forgets the upload. */
async function enter(scope: DraftScope, adapter: StorageAdapter, found: Found<SignedRecord>): Promise<DraftFile> {
  const { context, draft, notes } = scope
  const { path, key, size, digest, contentType, etag, partSize } = found.value
  const file: DraftFile = { path, key, size, digest, contentType, fingerprint: `${PINNED}${etag}` }
  // An upload that somebody created who then died.
  if (partSize !== null) await abortAll(adapter, draft.path + key)
  await context.catalog.putDraftFiles(draft.id, [file])
  await forgetBlocks(notes, found.value)
  await notes.forget(notes.signed(path))
  return file
}

/** Before the etag of an object that was read and found right. */
const PINNED = 'etag:'

/** The etag that the object of this file must still have, for files that came by a signed URL. */
export function pinnedEtag({ fingerprint }: Pick<DraftFile, 'fingerprint'>): string | undefined {
  return fingerprint?.startsWith(PINNED) ? fingerprint.slice(PINNED.length) : undefined
}

/** Gives up an upload. One that was not begun, or is over, is no error. @throws StowageError `conflict` when its file was accepted */
export async function cancelUpload(scope: DraftScope, path: string): Promise<void> {
  const { notes } = scope
  const adapter = await adapterOf(scope)
  for (;;) {
    const found = await notes.read<SignedRecord>(notes.signed(path))
    if (found === undefined) return
    if (found.value.state === 'accepted') {
      throw new StowageError('conflict', `The file "${path}" was accepted already.`, { key: path })
    }
    if (found.value.state === 'refused') return clear(scope, adapter, found.value, inDraft(scope))
    const why = { code: 'conflict', message: `The upload of "${path}" was given up.` } as const
    if ((await refuse(scope, adapter, found, why)) !== undefined) return
  }
}

/** Before a publish: what was found right goes into the draft. @throws StowageError `conflict` with the paths that still wait */
export async function finishAccepted(scope: DraftScope): Promise<void> {
  const waiting: string[] = []
  for await (const { value } of scope.notes.all<SignedRecord>('signed/')) {
    if (value.state === 'accepted') await acceptUpload(scope, value.path)
    else if (value.state === 'open') waiting.push(value.path)
  }
  if (waiting.length === 0) return
  waiting.sort()
  const names = some(waiting.map((path) => JSON.stringify(path)))
  throw new StowageError('conflict', `Uploads by URL were begun and not accepted: ${names}.`, {
    ...(waiting[0] === undefined ? {} : { key: waiting[0] }),
    hint: 'Accept each with acceptUpload, or give it up with cancelUpload.',
  })
}

/**
 * Keeps other uploads from the paths of uploads by URL. Also from one that was refused, as long as it is not swept: its URLs may still be good,
 * and what they write is deleted.
 * @throws StowageError `conflict`
 */
export async function refuseTaken({ notes }: DraftScope, paths: readonly string[]): Promise<void> {
  if ((await notes.keys('signed/').next()).done) return
  for (const path of paths) {
    if ((await notes.read<SignedRecord>(notes.signed(path))) === undefined) continue
    throw new StowageError('conflict', `An upload to "${path}" was begun by URL.`, {
      key: path,
      hint: 'Send it that way (signUpload, acceptUpload), or begin a new draft.',
    })
  }
}

function some(all: readonly (string | number)[]): string {
  const rest = all.length - NAMED
  return all.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
