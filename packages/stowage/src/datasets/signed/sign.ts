import { hasCode, type PresignedRequest, type StorageAdapter, StowageError, throwIfAborted } from '@stowage/core'
import { exists } from '../objects.ts'
import { checkExpiry, type Declared, declare, isSame, type SignUploadOptions, writeBlocks, wrong } from './declared.ts'
import type { Found, LeftRecord, SignedRecord } from './notes.ts'
import { type PartRange, partCountOf, partOf, planUpload } from './plan.ts'
import { abortAll, adapterOf, change, type DraftScope } from './scope.ts'

/** Part URLs of one call, at most, and by default. */
const MOST_PARTS = 1000
const PARTS = 100

/** Times that a note may change under our hands. */
const TRIES = 20

/** The URL of one part, and which bytes of the file it takes. */
export interface SignedPart extends PresignedRequest, PartRange {}

/** What a program without credentials needs to send one file. */
export type SignedUpload = {
  path: string
  /** bytes */
  size: number
  digest: string
  /** When the first of these URLs ends, in milliseconds since the epoch. */
  expiresAt: number
} & (
  | {
      kind: 'single'
      /** The one PUT, with the headers that must be sent as they are. Answered 412 (by OSS 409) when the file has been sent already. */
      request: PresignedRequest
    }
  | {
      kind: 'parts'
      uploadId: string
      /** Bytes of every part but the last. */
      partSize: number
      partCount: number
      /** The first page of them; `signParts` gives the others. */
      parts: SignedPart[]
    }
)

export interface SignPartsOptions {
  /** The first part. @defaultValue 1 */
  first?: number
  /** How many, at most 1000. @defaultValue 100 */
  count?: number
  /** Only parts that the store has not got yet, or not in their size. @defaultValue false */
  missing?: boolean
  /** Seconds the URLs stay good. @defaultValue 3600 */
  expiresIn?: number
  signal?: AbortSignal
}

/** Begins an upload by signed URL, or goes on with the same one: then it gives new URLs for it. */
export async function signUpload(scope: DraftScope, path: string, options: SignUploadOptions): Promise<SignedUpload> {
  const declared = declare(path, options)
  const expiresIn = checkExpiry(options.expiresIn)
  const adapter = await adapterOf(scope)
  const { partSize } = options
  const planned = planUpload(adapter, { ...declared, hasMetadata: declared.metadata !== null, partSize })
  const { value: record } = await settle(options.signal, async () => {
    const found = await scope.notes.read<SignedRecord>(scope.notes.signed(path))
    const until = scope.context.clock.now() + expiresIn * 1000
    if (found === undefined || found.value.state === 'refused') {
      const begun = await begin(scope, adapter, found, { declared, partSize: planned, until, options })
      return planned === null ? begun : create(scope, adapter, begun)
    }
    if (!isSame(found.value, declared)) {
      throw new StowageError('conflict', `An upload of another file to "${path}" was begun by URL.`, {
        key: path,
        hint: 'Accept it, or give it up with cancelUpload.',
      })
    }
    const { partSize, uploadId } = found.value
    if (partSize !== null && uploadId === null) return create(scope, adapter, await claim(scope, adapter, found))
    return extend(scope, found, until)
  })
  return describe(scope, adapter, record, expiresIn, options.signal)
}

/** URLs of a page of parts, in order. */
export async function signParts(
  scope: DraftScope,
  path: string,
  options: SignPartsOptions,
): Promise<{ partCount: number; parts: SignedPart[] }> {
  const { first = 1, count = PARTS, missing = false, signal } = options
  if (!Number.isSafeInteger(first) || first < 1) throw wrong('first', 'must be a part number, from 1')
  if (!Number.isSafeInteger(count) || count < 1 || count > MOST_PARTS)
    throw wrong('count', `must be 1 to ${MOST_PARTS}`)
  const expiresIn = checkExpiry(options.expiresIn)
  const adapter = await adapterOf(scope)
  const { value: record } = await settle(signal, async () => {
    const found = await scope.notes.read<SignedRecord>(scope.notes.signed(path))
    if (found?.value.uploadId == null || found.value.state !== 'open') {
      throw new StowageError('not-found', `No upload of "${path}" in parts was begun by URL.`, {
        key: path,
        hint: 'Begin it with signUpload.',
      })
    }
    return extend(scope, found, scope.context.clock.now() + expiresIn * 1000)
  })
  const { partSize, size } = record
  const file = { size, partSize: partSize ?? size }
  const partCount = partCountOf(file)
  const there = missing ? await sizesOf(scope, adapter, record, signal) : undefined
  const numbers: number[] = []
  for (let n = first; n <= partCount && numbers.length < count; n++) {
    if (there?.get(n) !== partOf(file, n).size) numbers.push(n)
  }
  return { partCount, parts: await signEach(scope, adapter, record, numbers, expiresIn, signal) }
}

/** Repeats steps that each read a note and change it, while others change it too (`undefined`). */
async function settle<T>(signal: AbortSignal | undefined, step: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    throwIfAborted(signal)
    const done = await step()
    if (done !== undefined) return done
  }
  throw new StowageError('conflict', 'Others sign the same upload at the same moment.', { hint: 'Try again.' })
}

/** Writes down what will be uploaded where, before anything is begun. */
async function begin(
  scope: DraftScope,
  adapter: StorageAdapter,
  before: Found<SignedRecord> | undefined,
  wanted: { declared: Declared; partSize: number | null; until: number; options: SignUploadOptions },
): Promise<Found<SignedRecord> | undefined> {
  const { context, draft, notes } = scope
  const { declared, partSize, until, options } = wanted
  const { path } = declared
  const open = await context.catalog.getDraft(draft.id)
  if (open?.status !== 'open') {
    throw new StowageError('conflict', `The draft "${draft.id}" is ${open?.status ?? 'gone'}.`, {
      hint: 'Begin another draft.',
    })
  }
  if ((await context.catalog.getDraftFile(draft.id, path)) !== undefined) {
    throw new StowageError('conflict', `The draft has a file "${path}" already.`, {
      key: path,
      hint: 'Choose another path, or begin a new draft.',
    })
  }
  if (before !== undefined) await leave(scope, before.value)
  let attempt = (before?.value.attempt ?? 0) + 1
  // What lies at the key already was left by something else that died; nobody could write there.
  while (await exists(adapter, draft.path + keyOf(draft.id, path, attempt))) attempt++
  const blockPages = await writeBlocks(notes, { path, attempt }, options.blocks)
  const record: SignedRecord = {
    ...declared,
    key: keyOf(draft.id, path, attempt),
    attempt,
    blockPages,
    partSize,
    uploadId: null,
    claim: context.random.id(context.clock.now()),
    expiresAt: until,
    state: 'open',
    etag: null,
    why: null,
  }
  return change(scope, before, record)
}

/** The first attempt lies where every file of a draft does; a later one beside it, as if another draft had brought it. */
function keyOf(draftId: string, path: string, attempt: number): string {
  return attempt === 1 ? `${draftId}/${path}` : `${draftId}.${attempt}/${path}`
}

/** Its URLs may still be good, so its key is remembered for as long. */
async function leave({ notes }: DraftScope, { path, key, partSize, expiresAt, attempt }: SignedRecord): Promise<void> {
  const left: LeftRecord = { path, key, partSize, expiresAt }
  await notes.replace(notes.left(path, attempt), left)
}

/** Takes over an upload whose creator has not written down its id: he sees that he was overtaken, or he died. */
async function claim(
  scope: DraftScope,
  adapter: StorageAdapter,
  found: Found<SignedRecord>,
): Promise<Found<SignedRecord> | undefined> {
  const { context, draft } = scope
  const mine = await change(scope, found, { ...found.value, claim: context.random.id(context.clock.now()) })
  if (mine !== undefined) await abortAll(adapter, draft.path + mine.value.key)
  return mine
}

async function create(
  scope: DraftScope,
  adapter: StorageAdapter,
  found: Found<SignedRecord> | undefined,
): Promise<Found<SignedRecord> | undefined> {
  if (found === undefined) return undefined
  const { key, contentType, metadata } = found.value
  const at = scope.draft.path + key
  const { uploadId } = await adapter.multipart.create(at, { contentType, ...(metadata === null ? {} : { metadata }) })
  const written = await change(scope, found, { ...found.value, uploadId })
  if (written === undefined) await adapter.multipart.abort(at, uploadId)
  return written
}

/** No URL may outlive what the note says, so that a sweep knows when none is left. */
async function extend(
  scope: DraftScope,
  found: Found<SignedRecord>,
  until: number,
): Promise<Found<SignedRecord> | undefined> {
  const { value } = found
  if (value.state === 'accepted') {
    throw new StowageError('conflict', `The file "${value.path}" was sent and found right.`, {
      key: value.path,
      hint: 'Call acceptUpload to take it into the draft.',
    })
  }
  return value.expiresAt >= until ? found : change(scope, found, { ...value, expiresAt: until })
}

async function describe(
  scope: DraftScope,
  adapter: StorageAdapter,
  record: SignedRecord,
  expiresIn: number,
  signal: AbortSignal | undefined,
): Promise<SignedUpload> {
  const { path, size, digest, partSize, uploadId, contentType } = record
  if (partSize === null || uploadId === null) {
    const request = await adapter.presign({
      method: 'put',
      key: scope.draft.path + record.key,
      expiresIn,
      contentType,
      ...limit(adapter, size),
      ...(signal === undefined ? {} : { signal }),
    })
    return { kind: 'single', path, size, digest, expiresAt: request.expiresAt, request }
  }
  const partCount = partCountOf({ size, partSize })
  const numbers = Array.from({ length: Math.min(PARTS, partCount) }, (_, i) => i + 1)
  const parts = await signEach(scope, adapter, record, numbers, expiresIn, signal)
  const expiresAt = Math.min(...parts.map((part) => part.expiresAt))
  return { kind: 'parts', path, size, digest, expiresAt, uploadId, partSize, partCount, parts }
}

function signEach(
  scope: DraftScope,
  adapter: StorageAdapter,
  { key, uploadId, size, partSize }: SignedRecord,
  numbers: readonly number[],
  expiresIn: number,
  signal: AbortSignal | undefined,
): Promise<SignedPart[]> {
  return Promise.all(
    numbers.map(async (partNumber) => {
      const range = partOf({ size, partSize: partSize ?? size }, partNumber)
      const request = await adapter.presign({
        method: 'part',
        key: scope.draft.path + key,
        uploadId: uploadId ?? '',
        partNumber,
        expiresIn,
        ...limit(adapter, range.size),
        ...(signal === undefined ? {} : { signal }),
      })
      return { ...request, ...range }
    }),
  )
}

function limit(adapter: StorageAdapter, maxSize: number): { maxSize?: number } {
  return adapter.capabilities.presignMaxSize ? { maxSize } : {}
}

/** The sizes of the parts that the store has. All of them, when they were made into the object already. */
async function sizesOf(
  { draft }: DraftScope,
  adapter: StorageAdapter,
  { key, uploadId, path, size, partSize }: SignedRecord,
  signal: AbortSignal | undefined,
): Promise<Map<number, number>> {
  const file = { size, partSize: partSize ?? size }
  try {
    const options = signal === undefined ? {} : { signal }
    const parts = await adapter.multipart.listParts(draft.path + key, uploadId ?? '', options)
    return new Map(parts.map((part) => [part.partNumber, part.size]))
  } catch (error) {
    if (!hasCode(error, 'not-found')) throw error
    if (await exists(adapter, draft.path + key)) {
      return new Map(Array.from({ length: partCountOf(file) }, (_, i) => [i + 1, partOf(file, i + 1).size]))
    }
    throw new StowageError('not-found', `The store knows the parts of "${path}" no more.`, {
      key: path,
      cause: error,
      hint: 'Give it up with cancelUpload and begin it again.',
    })
  }
}
