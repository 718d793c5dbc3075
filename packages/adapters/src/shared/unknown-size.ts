import {
  type ByteSource,
  type MultipartOperations,
  type PutOptions,
  type PutResult,
  StowageError,
  throwIfAborted,
  type UploadedPart,
} from '@stowage/core'
import { chunksOf } from './abortable.ts'
import { assertSupported, type Called } from './calls.ts'
import { checksumCheck } from './checksum.ts'

const firstPartBytes = 8 * 1024 * 1024
/** Parts double after so many, so that a stream of any length fits into the number of parts that a store takes. */
const partsOfOneSize = 2000
/** Parts in memory at the same time: one that is being filled, the others on their way. */
const partsInMemory = 3

/** Where a stream of unknown length goes. */
export interface UnknownSizeTarget {
  readonly adapter: Called
  readonly multipart: MultipartOperations
  /** Writes what turned out to fit into one part. */
  readonly put: (bytes: Uint8Array) => Promise<PutResult>
}

/**
 * Writes a stream whose length nobody knows: one put when it fits into a part, else an upload in parts, three of them in memory at the
 * most. When the stream, the store or the caller fails, the upload is aborted and no object is made.
 * @throws StowageError `integrity` for bytes that do not have the given checksum; what the stream fails with
 */
export async function putUnknownSize(
  target: UnknownSizeTarget,
  key: string,
  body: ByteSource,
  options: PutOptions,
): Promise<PutResult> {
  assertSupported(target.adapter, options.ifMatch === undefined, 'ifMatch for a stream of unknown length')
  const { multipart } = target.adapter.capabilities
  const sizeOf = multipart !== false && multipart.equalParts === true ? (): number => firstPartBytes : partSize
  const parts = inParts(chunksOf(body, options.signal), sizeOf)[Symbol.asyncIterator]()
  try {
    const first = await parts.next()
    const bytes = first.value ?? new Uint8Array(0)
    const second = first.done ? first : await parts.next()
    if (second.done) return await target.put(bytes)
    return await putParts(target, key, [bytes, second.value], parts, options)
  } finally {
    await parts.return?.(undefined)
  }
}

async function putParts(
  { adapter, multipart }: UnknownSizeTarget,
  key: string,
  begun: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array, undefined>,
  options: PutOptions,
): Promise<PutResult> {
  const { ifNoneMatch, checksum, signal, ...attributes } = options
  const most = adapter.capabilities.multipart === false ? 0 : adapter.capabilities.multipart.maxParts
  const checking = checksum && checksumCheck(adapter, key, checksum)
  const call = signal === undefined ? {} : { signal }
  // Not with the caller's signal: an upload whose id was not waited for would stay.
  const { uploadId } = await multipart.create(key, attributes)
  const uploaded: UploadedPart[] = []
  const onTheWay = new Set<Promise<void>>()
  const failure: { error?: unknown } = {}
  try {
    throwIfAborted(signal)
    let number = 0
    for (let next = begun[0]; next !== undefined; ) {
      number++
      if (number > most) throw tooLong(adapter, key, most)
      checking?.update(next)
      const sent: Promise<void> = multipart
        .uploadPart(key, uploadId, number, next, call)
        .then(
          (part) => void uploaded.push(part),
          (error: unknown) => {
            failure.error ??= error
          },
        )
        .finally(() => onTheWay.delete(sent))
      onTheWay.add(sent)
      if (onTheWay.size >= partsInMemory - 1) await Promise.race(onTheWay)
      if (failure.error !== undefined) throw failure.error
      next = begun[number] ?? (await rest.next()).value
    }
    await Promise.all(onTheWay)
    if (failure.error !== undefined) throw failure.error
    checking?.finish()
    const inOrder = uploaded.sort((a, b) => a.partNumber - b.partNumber)
    return await multipart.complete(key, uploadId, inOrder, {
      ...call,
      ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
    })
  } catch (error) {
    // A part that arrives after the abort would stay: so all have ended first.
    await Promise.all(onTheWay)
    // Not with the caller's signal, which may be what ended it. The error that led here is the one to tell.
    await multipart.abort(key, uploadId).catch(() => {})
    throw error
  }
}

/** Bytes of a part, by its number from 1. */
function partSize(number: number): number {
  return firstPartBytes * 2 ** Math.floor((number - 1) / partsOfOneSize)
}

/** Cuts a stream into parts of exactly the wanted sizes; only the last may be shorter. An empty stream has none. */
async function* inParts(
  chunks: AsyncIterable<Uint8Array>,
  sizeOf: (number: number) => number,
): AsyncGenerator<Uint8Array, undefined> {
  let number = 1
  let part: Buffer | undefined
  let filled = 0
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length; ) {
      part ??= Buffer.allocUnsafe(sizeOf(number))
      // Copied: a source may fill its buffer anew for each chunk.
      const taken = chunk.subarray(from, from + part.length - filled)
      part.set(taken, filled)
      from += taken.length
      filled += taken.length
      if (filled < part.length) continue
      yield part
      part = undefined
      filled = 0
      number++
    }
  }
  if (part !== undefined) yield part.subarray(0, filled)
  return undefined
}

function tooLong(adapter: Called, key: string, parts: number): StowageError {
  return new StowageError(
    'invalid-request',
    `${adapter.id}: ${JSON.stringify(key)}: the stream does not end within ${parts} parts.`,
    { key, sourceId: adapter.id, field: 'size', hint: 'Say how long it is, and upload it in parts of your own.' },
  )
}
