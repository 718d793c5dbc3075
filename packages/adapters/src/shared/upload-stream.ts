import { Readable } from 'node:stream'
import { BodyPiece, type ByteSource, StowageError } from '@stowage/core'
import { chunksOf } from './abortable.ts'
import { aborted, ExactBody } from './body.ts'
import type { Called } from './calls.ts'
import type { ChecksumCheck } from './checksum.ts'
import { type BodyExpectations, ExpectedBody } from './expected-body.ts'
import type { Flow } from './flow.ts'

/** Streams up to this are read into memory first: then they have a checksum and can be sent again. In bytes. */
export const bufferedBytes: number = 8 * 1024 * 1024
/** Bytes handed to the socket at a time, so that it shows when none move any more. */
export const sliceBytes: number = 256 * 1024

/** Bytes in memory, a slice at a time. @param onSent told of each slice when the socket wants more */
export function* slices(bytes: Uint8Array, flow: Flow, onSent?: (bytes: number) => void): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    flow.touch()
    const slice = bytes.subarray(at, at + sliceBytes)
    yield slice
    onSent?.(slice.length)
  }
}

/** What a stream must turn out to be. */
export interface ExpectedStream {
  key: string
  size: number
  check?: ChecksumCheck | undefined
}

/**
 * Passes a stream on and holds the last chunk back until length and checksum are right: what is wrong never reaches the store whole,
 * so the store makes no object of it.
 */
export function expectedStream(
  adapter: Called,
  body: AsyncIterable<Uint8Array>,
  { key, size, check }: ExpectedStream,
  flow: Flow,
): Readable {
  const wrong = (actual: string): StowageError => wrongLength(adapter, key, size, actual)
  if (body instanceof ExactBody && check === undefined && body.passTo(flow, size)) return body
  if (body instanceof BodyPiece && check === undefined && passPiece(body, flow, size)) return body
  if (body instanceof Readable) return new ExpectedBody(body, { size, check, wrongLength: wrong }, flow)
  return Readable.from(expectedChunks(body, { size, check, wrongLength: wrong }, flow), { objectMode: false })
}

/** Sends a piece on as it is: it has exactly its bytes, or fails. @returns `false` when it has others, or is read already */
function passPiece(piece: BodyPiece, flow: Flow, size: number): boolean {
  if (piece.size !== size || piece.readableFlowing !== null || piece.destroyed) return false
  const onAbort = (): void => void piece.destroy(aborted(flow.signal))
  piece.onChunk = () => flow.touch()
  flow.signal.addEventListener('abort', onAbort, { once: true })
  piece.once('close', () => flow.signal.removeEventListener('abort', onAbort))
  if (flow.signal.aborted) onAbort()
  return true
}

async function* expectedChunks(
  body: ByteSource,
  { size, check, wrongLength: wrong }: BodyExpectations,
  flow: Flow,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined
  let received = 0
  for await (const chunk of chunksOf(body, flow.signal)) {
    if (chunk.length === 0) continue
    flow.touch()
    received += chunk.length
    if (received > size) throw wrong('more')
    check?.update(chunk)
    if (held !== undefined) yield held
    held = chunk
  }
  if (received !== size) throw wrong(`${received}`)
  check?.finish()
  flow.touch()
  if (held !== undefined) yield held
}

function wrongLength(adapter: Called, key: string, size: number, actual: string): StowageError {
  const message = `${adapter.id}: ${JSON.stringify(key)} was declared as ${size} bytes and had ${actual}.`
  return new StowageError('integrity', message, { key, sourceId: adapter.id })
}
