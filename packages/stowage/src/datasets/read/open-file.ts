import { Readable } from 'node:stream'
import { BLOCK_SIZE, type ManifestEntry, type ReadFailover, StowageError } from '@stowage/core'
import type { Decision } from '@stowage/router'
import type { Context } from '../../app/context.ts'
import { blocksFor } from '../blocks.ts'
import { placesOf } from '../places.ts'
import { FileReader } from './file-reader.ts'
import { findEntry, type VersionPlace } from './locate.ts'
import { checkOpenOptions, type OpenOptions } from './open-options.ts'
import { patienceOf } from './patience.ts'
import { suspectBlocks } from './suspect.ts'

/** A file of a dataset, open for reading. */
export interface DatasetFile {
  path: string
  version: number
  /** bytes of the whole file */
  size: number
  digest: string
  contentType?: string
  /** Why the bytes come from where they come. */
  decision: Decision
  /** The bytes, checked against the digest before they are given out. Survives its source. Nothing is asked for before it is read. */
  stream: Readable
  /** What went wrong on the way and where the read went on; grows while the file is read. */
  failovers: readonly ReadFailover[]
  /**
   * Reads bytes from within, as loaders do that want records of a large file in any order. Each block (8 MiB) that they touch is fetched
   * once for all who ask at the same time, checked, and kept for a while: a process keeps 64 MiB of such blocks. Survives its source like
   * the stream.
   *
   * @param length bytes; fewer come at the end of the file
   * @throws StowageError `invalid-request` when the bytes do not begin in the file
   * @example
   * ```ts
   * const shard = await node.datasets.open(cats.id, 'train-0001.tar')
   * const record = await shard.read(offset, length)
   * ```
   */
  read(start: number, length: number, options?: { signal?: AbortSignal }): Promise<Uint8Array>
}

/** Opens a file of a version for reads that survive their source. */
export async function openFile(
  context: Context,
  place: VersionPlace,
  path: string,
  options: OpenOptions,
): Promise<DatasetFile> {
  return openEntry(context, place, await findEntry(place, path, options.signal), options)
}

/** Opens a file that was found in the manifest. */
export async function openEntry(
  context: Context,
  place: VersionPlace,
  entry: ManifestEntry,
  options: Omit<OpenOptions, 'version'>,
): Promise<DatasetFile> {
  checkOpenOptions(options)
  const { path, size, digest, contentType } = entry
  const range = clampRange(entry, options.range?.start ?? 0, options.range?.length)
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
  const blocks = size > BLOCK_SIZE ? await blocksOf(context, place, entry, options.stallMs, signal) : undefined
  const reader = new FileReader(context, place, entry, { ...options, blocks })
  return {
    path,
    version: place.version.number,
    size,
    digest,
    ...(contentType === undefined ? {} : { contentType }),
    decision: place.decision,
    stream: streamOf(reader.stream(range, signal), stop),
    failovers: reader.failovers,
    read: async (start, length, { signal: own } = {}) => reader.read(clampRange(entry, start, length), own),
  }
}

function blocksOf(
  context: Context,
  { version, replicas, setbacks }: VersionPlace,
  entry: ManifestEntry,
  stallMs: number | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return blocksFor(placesOf(context.sources, replicas), entry, {
    events: context.events,
    datasetId: version.datasetId,
    signal,
    patience: patienceOf(context, stallMs, setbacks),
    onBad: suspectBlocks(context, replicas, entry),
  })
}

/** A stream that, destroyed, stops what is under way at once: a request that hangs would otherwise keep its socket. */
function streamOf(bytes: AsyncGenerator<Uint8Array>, stop: AbortController): Readable {
  return new Readable({
    highWaterMark: 0,
    read() {
      bytes.next().then(
        ({ done, value }) => this.push(done ? null : value),
        (error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      stop.abort()
      bytes.return(undefined).then(
        () => done(error),
        () => done(error),
      )
    },
  })
}

function clampRange(
  { path, size }: ManifestEntry,
  start: number,
  length: number | undefined,
): { start: number; length: number } {
  const wanted = length ?? size - start
  if (start < 0 || wanted < 0 || !Number.isSafeInteger(start) || !Number.isSafeInteger(wanted) || start > size) {
    throw new StowageError('invalid-request', `The range does not lie in "${path}", which has ${size} bytes.`, {
      field: 'range',
    })
  }
  return { start, length: Math.min(wanted, size - start) }
}
