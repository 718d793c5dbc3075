import {
  BLOCK_SIZE,
  checkManifestObject,
  type ErrorCode,
  hasCode,
  type ObjectAttributes,
  type StorageAdapter,
  toStowageError,
} from '@stowage/core'
import { DIGEST, ORIGIN } from '@stowage/sync'
import type { Context } from '../../app/context.ts'
import { blocksFor } from '../../datasets/blocks.ts'
import { readSmall } from '../../datasets/objects.ts'
import { firstOf, type Place } from '../../datasets/places.ts'
import { readVerified } from '../../datasets/read/index.ts'
import { abortAll } from '../../datasets/signed/scope.ts'
import { type Held, heldSignal, hold, type JsonRecords, nameOf } from '../../records/index.ts'
import { copiesOf, writtenAs } from '../copies/index.ts'
import type { Unit } from '../places/index.ts'
import { isHeldAt } from '../places/index.ts'
import { rewrite } from './rewrite.ts'

/** Somebody mends an object: who has it, and the upload that must not stay behind. */
interface MendRecord {
  sourceId: string
  key: string
  /** A multipart upload was begun, or was about to be. */
  multipart: boolean
  uploadId: string | null
}

const MENDS = 'scrub/mend/'

const what = 'this mend'

/** What became of a mend. `lost`: every copy was read, and none is good. */
export type Mended = { ok: true } | { ok: false; lost: boolean; code: ErrorCode; message: string }

/**
 * Writes an object again from its good copies. The bad one is replaced only while it is what was found bad, in one step at the end; nothing is
 * deleted. Of a file of several blocks every block may come from another copy, the bad one included: each is held against its digest.
 * @param bad what is there, as it was found
 */
export async function mend(context: Context, unit: Unit, bad: { etag?: string }, outer?: AbortSignal): Promise<Mended> {
  const { sources } = context
  const { place } = unit
  const key = place.path + unit.key
  const empty: MendRecord = { sourceId: place.sourceId, key, multipart: false, uploadId: null }
  const record = MENDS + nameOf(place.sourceId, key)
  const held = await hold<MendRecord>(context, record, { what, empty }, outer)
  if (held === undefined) {
    return { ok: false, lost: false, code: 'lease-held', message: 'Another process is mending it.' }
  }
  const signal = heldSignal(held, outer)
  const adapter = await sources.adapter(place.sourceId)
  const faults = new Map<string, ErrorCode>()
  let isRead = false
  try {
    await clean(held, adapter)
    // Looked at only now that the mend is noted: a removal sees the note before it deletes, or this sees that the replica is leaving.
    if (!(await isHeldAt(context, unit))) {
      await held.remove()
      return { ok: false, lost: false, code: 'conflict', message: 'Its replica is being removed.' }
    }
    const copies = await copiesOf(context, place, unit.key, unit.version.number)
    const onFault = (sourceId: string, code: ErrorCode) => faults.set(sourceId, code)
    const { size, bytes } = await rightBytes(context, unit, copies, onFault, signal)
    await rewrite({
      adapter,
      key,
      size,
      bytes: toEnd(bytes, () => {
        isRead = true
      }),
      headers: await attributesOf(unit, adapter, key, bad.etag !== undefined, copies.others, signal),
      etag: bad.etag,
      signal,
      note: {
        begin: () => note(held, { ...empty, multipart: true }),
        created: (uploadId) => note(held, { ...empty, multipart: true, uploadId }),
      },
    })
    await held.remove()
    return { ok: true }
  } catch (thrown) {
    const error = toStowageError(thrown, signal)
    await giveUp(held, adapter)
    if (error.code === 'aborted' || error.code === 'lease-lost') throw error
    const lost = !isRead && isLost(error.code, faults)
    return { ok: false, lost, code: error.code, message: error.message }
  }
}

/** Aborts what mends left behind whose process died. Returns how many there were. */
export async function sweepMends(context: Context, records: JsonRecords, signal?: AbortSignal): Promise<number> {
  let count = 0
  for await (const { key, value } of records.all<MendRecord>(MENDS)) {
    if (signal?.aborted) break
    const held = await hold<MendRecord>(context, key, { what, empty: value }, signal)
    if (held === undefined) continue
    const failed = await giveUp(held, await context.sources.adapter(value.sourceId).catch(() => undefined))
    if (!failed) count++
  }
  return count
}

/** Aborts the upload of an earlier mend. Nobody else writes to this key in parts. */
async function clean(held: Held<MendRecord>, adapter: StorageAdapter): Promise<void> {
  const { multipart, uploadId, key } = held.value
  // Who has taken it over may be at an upload of its own.
  held.check()
  if (!multipart) return
  if (uploadId === null) await abortAll(adapter, key)
  else await adapter.multipart.abort(key, uploadId)
  await note(held, { ...held.value, multipart: false, uploadId: null })
}

async function note(held: Held<MendRecord>, record: MendRecord): Promise<void> {
  await held.commit(() => record)
}

/** Ends a mend that was not finished. What cannot be aborted now stays noted. Returns whether that is so. */
async function giveUp(held: Held<MendRecord>, adapter: StorageAdapter | undefined): Promise<boolean> {
  try {
    if (adapter === undefined) throw new Error('its source is gone')
    await clean(held, adapter)
    await held.remove()
    return false
  } catch {
    await held.release().catch(() => undefined)
    return true
  }
}

function isLost(code: ErrorCode, faults: ReadonlyMap<string, ErrorCode>): boolean {
  const gone: readonly ErrorCode[] = ['integrity', 'not-found']
  return gone.includes(code) && [...faults.values()].every((one) => gone.includes(one))
}

/** The bytes that an object should have, checked as they come. */
async function rightBytes(
  context: Context,
  unit: Unit,
  copies: { others: Place[]; own: Place },
  onFault: (sourceId: string, code: ErrorCode) => void,
  signal: AbortSignal | undefined,
): Promise<{ size: number; bytes: AsyncIterable<Uint8Array> }> {
  const { events } = context
  const { datasetId } = unit.place
  const all = [...copies.others, copies.own]
  if (unit.what === 'file') {
    const { size, digest } = unit.entry
    const blocks = size > BLOCK_SIZE ? await blocksFor(all, unit.entry, { events, datasetId, signal }) : undefined
    const bytes = readVerified({
      size,
      digest,
      candidates: all.map((place) => ({ ...place, key: place.path + unit.key })),
      salvage: true,
      ...(blocks === undefined ? {} : { blocks }),
      ...(signal === undefined ? {} : { signal }),
      onOutcome: (sourceId, outcome) => {
        if (!outcome.ok) onFault(sourceId, outcome.code)
      },
    })
    return { size, bytes }
  }
  const small = await smallBytes()
  return { size: small.length, bytes: one(small) }

  async function smallBytes(): Promise<Uint8Array> {
    if (unit.what === 'blocks') return blocksFor(all, unit.entry, { events, datasetId, signal })
    if (unit.what === 'marker' || unit.what === 'record') return writtenAs(context, unit as Unit & { what: 'marker' })
    const what = { name: unit.name, key: unit.key, datasetId, events }
    return firstOf(copies.others, what, async (place) => {
      try {
        const stored = await readSmall(await place.adapter(), place.path + unit.key, signal)
        await checkManifestObject(unit.key, stored)
        return stored
      } catch (error) {
        onFault(place.sourceId, toStowageError(error, signal).code)
        throw error
      }
    })
  }
}

/** Says when all of it was read, and so was right: what fails then is no copy. */
async function* toEnd(bytes: AsyncIterable<Uint8Array>, done: () => void): AsyncGenerator<Uint8Array> {
  yield* bytes
  done()
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const contentTypes = { marker: 'application/json', record: 'application/json', manifest: 'application/gzip' } as const

/** What the object is written with: as the bad one is, or a copy of it. */
async function attributesOf(
  unit: Unit,
  adapter: StorageAdapter,
  key: string,
  there: boolean,
  others: readonly Place[],
  signal: AbortSignal | undefined,
): Promise<ObjectAttributes> {
  const keeps = adapter.capabilities.metadata
  if (keeps === 'none') return {}
  if (unit.what === 'blocks') return {}
  if (unit.what !== 'file') return { contentType: contentTypes[unit.what] }
  const call = signal === undefined ? {} : { signal }
  const typed = unit.entry.contentType === undefined ? {} : { contentType: unit.entry.contentType }
  if (there) {
    const info = await adapter.head(key, call).catch((error) => {
      if (hasCode(error, 'not-found')) return undefined
      throw error
    })
    if (info !== undefined) {
      const { tags, storageClasses } = adapter.capabilities
      const hasTags = tags && (info.tagCount ?? 0) > 0
      return {
        ...headersIn(info),
        ...typed,
        ...(Object.keys(info.metadata).length === 0 ? {} : { metadata: info.metadata }),
        ...(hasTags ? { tags: await adapter.getTags(key, call) } : {}),
        ...(storageClasses && info.storageClass !== undefined ? { storageClass: info.storageClass } : {}),
      }
    }
  }
  for (const place of others) {
    try {
      const info = await (await place.adapter()).head(place.path + unit.key, call)
      const { [ORIGIN]: _origin, [DIGEST]: _digest, ...metadata } = info.metadata
      if (keeps === 'native') metadata[DIGEST] = unit.entry.digest
      return { ...headersIn(info), ...typed, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) }
    } catch {
      // The next one may tell; without any the file is as good.
    }
  }
  return typed
}

function headersIn(info: ObjectAttributes): ObjectAttributes {
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage } = info
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(cacheControl === undefined ? {} : { cacheControl }),
    ...(contentDisposition === undefined ? {} : { contentDisposition }),
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
    ...(contentLanguage === undefined ? {} : { contentLanguage }),
  }
}
