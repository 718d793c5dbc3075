import { BLOCK_SIZE, type ErrorCode, type ManifestEntry, type ReadFailover } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { placesOf } from '../places.ts'
import { processBlocks } from './block-cache.ts'
import { damageName, type VersionPlace } from './locate.ts'
import type { ReadCandidate } from './options.ts'
import { suspectFile } from './suspect.ts'
import { readVerified } from './verified-read.ts'

interface FileReaderOptions {
  /** Block digests of a file of more than one block. */
  blocks: Uint8Array | undefined
  stallMs?: number
  readAhead?: number
}

interface Range {
  start: number
  length: number
}

/** Reads one file of a version, from the places that hold it, and tells what went wrong on the way. */
export class FileReader {
  readonly failovers: ReadFailover[] = []
  readonly #context: Context
  readonly #place: VersionPlace
  readonly #entry: ManifestEntry
  readonly #options: FileReaderOptions
  /** What is known to be bad comes last: where nothing else can be read, some of its blocks may be good. */
  readonly #good: ReadCandidate[]
  readonly #bad: ReadCandidate[]

  constructor(context: Context, place: VersionPlace, entry: ManifestEntry, options: FileReaderOptions) {
    this.#context = context
    this.#place = place
    this.#entry = entry
    this.#options = options
    const all = placesOf(context.sources, place.replicas).map((one) => ({ ...one, key: one.path + entry.key }))
    const isBad = ({ sourceId, key }: ReadCandidate) => place.damaged.has(damageName(sourceId, key))
    this.#good = all.filter((one) => !isBad(one))
    this.#bad = all.filter(isBad)
  }

  /** The bytes of a range, in pieces of so many bytes. */
  async *stream(range: Range, signal: AbortSignal, pieceSize?: number): AsyncGenerator<Uint8Array> {
    const { size, digest } = this.#entry
    const { blocks, stallMs, readAhead } = this.#options
    const { sources, reads } = this.#context
    const { setbacks } = this.#place
    const { datasetId, number } = this.#place.version
    let from: string | undefined
    const onBad = suspectFile(this.#context, this.#place.replicas, this.#entry)
    const blocksOf = readVerified({
      size,
      digest,
      candidates: this.#candidates(range.start),
      range,
      ...(stallMs === undefined ? {} : { stallMs }),
      ...(readAhead === undefined ? {} : { readAhead }),
      ...(blocks === undefined ? {} : { blocks }),
      ...(pieceSize === undefined ? {} : { pieceSize }),
      signal,
      onOutcome: (sourceId, outcome) => {
        sources.report(sourceId, outcome)
        if (outcome.ok) from = sourceId
        if (outcome.ok) setbacks.clear(sourceId)
        else if (outcome.code === 'timeout') setbacks.note(sourceId)
        else onBad(sourceId, outcome, this.#entry.key)
      },
      onFailover: (failover) => this.#tell(failover),
    })
    for await (const bytes of blocksOf) {
      // So the replica stays where it is, however long the stream takes.
      if (from !== undefined) reads.note({ datasetId, version: number, sourceId: from })
      yield bytes
    }
  }

  /** The bytes of a range in one piece. Its first and last block may be had from those that were read a moment ago. */
  async read(range: Range, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(range.length)
    const end = range.start + range.length
    const first = Math.floor(range.start / BLOCK_SIZE)
    const last = Math.max(first, Math.ceil(end / BLOCK_SIZE) - 1)
    // A long range leaves those that others use where they are.
    if (last > first + 1) {
      let at = 0
      const own = signal ?? new AbortController().signal
      for await (const part of this.stream(range, own)) {
        bytes.set(part, at)
        at += part.length
      }
      return bytes
    }
    if (range.length === 0) return bytes
    const copy = async (block: number): Promise<void> => {
      const from = block * BLOCK_SIZE
      const whole = await this.#block(block, signal)
      const part = whole.subarray(Math.max(0, range.start - from), end - from)
      bytes.set(part, Math.max(0, from - range.start))
    }
    await Promise.all(first === last ? [copy(first)] : [copy(first), copy(last)])
    return bytes
  }

  async #block(block: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const start = block * BLOCK_SIZE
    const length = Math.min(BLOCK_SIZE, this.#entry.size - start)
    return processBlocks.get(this.#digestOf(block), signal, async (stop) => {
      const read = this.stream({ start, length }, stop, BLOCK_SIZE)
      const { value } = await read.next()
      await read.return(undefined)
      return value as Uint8Array
    })
  }

  #digestOf(block: number): string {
    const { blocks } = this.#options
    if (blocks === undefined) return this.#entry.digest
    return Buffer.from(blocks.subarray(block * 32, block * 32 + 32)).toString('hex')
  }

  /** Best first. One that failed or was silent a moment ago is passed by, which is told like any other failover. */
  #candidates(offset: number): ReadCandidate[] {
    const { setbacks } = this.#place
    const good = setbacks.order(this.#good)
    const [planned] = this.#good
    const [first] = good
    if (planned !== undefined && first !== undefined && planned !== first) {
      const code = setbacks.of(planned.sourceId) ?? 'timeout'
      this.#tell({ from: planned.sourceId, to: first.sourceId, offset, code })
    }
    return [...good, ...this.#bad]
  }

  #tell(failover: { from: string; to: string; offset: number; code: ErrorCode }): void {
    const event = { datasetId: this.#place.version.datasetId, path: this.#entry.path, ...failover }
    this.failovers.push(event)
    this.#context.events.emit('read.failover', event)
  }
}
