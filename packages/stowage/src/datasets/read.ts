import { Readable } from 'node:stream'
import {
  type Actor,
  BLOCK_SIZE,
  type DatasetReplica,
  type DatasetVersion,
  type ErrorCode,
  hasCode,
  type Manifest,
  type ManifestEntry,
  type ReadFailover,
  StowageError,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import type { Decision } from '@stowage/router'
import type { Context } from '../app/context.ts'
import { ScrubRecords } from '../scrub/records.ts'
import { report } from '../scrub/suspects.ts'
import { blocksFor } from './blocks.ts'
import type { Manifests } from './manifests.ts'
import { placesOf } from './places.ts'
import { unlessAborted } from './unless-aborted.ts'
import { readVerified } from './verified-read.ts'

export interface OpenOptions {
  /** @defaultValue the newest */
  version?: number
  /** Bytes wanted. @defaultValue the whole file */
  range?: { start: number; length?: number }
  /**
   * Milliseconds that the stream may go without a byte while another source is left to read from. Time in which nobody reads does not
   * count. @defaultValue 3000
   */
  stallMs?: number
  signal?: AbortSignal
}

/** The longest that a timer of the platform waits. */
const LONGEST_STALL = 2 ** 31 - 1

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
  /** The bytes, checked against the digest before they are given out. Survives its source. */
  stream: Readable
  /** What went wrong on the way and where the read went on; grows while the stream is read. */
  failovers: readonly ReadFailover[]
}

export interface AccessOptions {
  /** `url`: presigned; `mount`: paths on this machine. */
  mode: 'url' | 'mount'
  path: string
  /** @defaultValue the newest */
  version?: number
  /** Seconds a URL stays valid. @defaultValue 3600 */
  expiresIn?: number
  signal?: AbortSignal
}

/** Ordered ways to one file, best first. */
export interface Access {
  path: string
  version: number
  size: number
  digest: string
  alternatives: { sourceId: string; url?: string; mountPath?: string; expiresAt?: number }[]
  /** Sources that hold the file and cannot give it in this mode. */
  without: { sourceId: string; reason: string }[]
  decision: Decision
}

/** What a read needs to know of a version. */
export interface VersionPlace {
  version: DatasetVersion
  /** Ready replicas in the order routing gave. */
  replicas: DatasetReplica[]
  decision: Decision
  manifest: Manifest
  /** Objects that are known to be bad, as {@link damageName} names them. */
  damaged: ReadonlySet<string>
}

/** An object of a source, in a set of those that are bad. */
function damageName(sourceId: string, key: string): string {
  return `${sourceId}\0${key}`
}

/** What says that the object is wrong and not its source: `precondition-failed`, that it was replaced while it was read. */
const badObject = new Set<ErrorCode>(['integrity', 'not-found', 'precondition-failed'])

/** Finds a version and decides where to read it from. */
export async function locate(
  context: Context,
  manifests: Manifests,
  actor: Actor,
  datasetId: string,
  number: number | undefined,
  signal?: AbortSignal,
): Promise<VersionPlace> {
  throwIfAborted(signal)
  const dataset = await context.catalog.getDataset(datasetId)
  if (dataset === undefined) throw new StowageError('not-found', `There is no dataset "${datasetId}".`)
  if (dataset.version === 0) {
    throw new StowageError('not-found', `Dataset "${dataset.name}" has no published version yet.`, {
      hint: 'Publish its draft.',
    })
  }
  const version = await context.catalog.getVersion(datasetId, number ?? dataset.version)
  if (version === undefined) throw new StowageError('not-found', `Dataset "${dataset.name}" has no version ${number}.`)
  const all = await context.catalog.listReplicas(datasetId, version.number)
  const decision = await context.decide(
    { purpose: 'read', actor, datasetId, version: version.number, tags: dataset.tags, size: version.size },
    all,
  )
  const replicas = decision.candidates.flatMap((candidate) => all.find((r) => r.sourceId === candidate.sourceId) ?? [])
  if (replicas.length === 0) {
    throw new StowageError('no-source', `No source can give version ${version.number} of "${dataset.name}".`, {
      hint: decision.dropped.map((drop) => `${drop.sourceId}: ${drop.reason}`).join('; '),
    })
  }
  const damage = await context.catalog.listDamage({ datasetId })
  const damaged = new Set(damage.map(({ sourceId, key }) => damageName(sourceId, key)))
  const manifest = await unlessAborted(manifests.of(version, replicas), signal)
  return { version, replicas, decision, manifest, damaged }
}

async function findEntry(place: VersionPlace, path: string, signal: AbortSignal | undefined): Promise<ManifestEntry> {
  const entry = await unlessAborted(place.manifest.find(path), signal)
  if (entry !== undefined) return entry
  throw new StowageError('not-found', `Version ${place.version.number} has no file "${path}".`, { key: path })
}

/** Opens a file for a read that survives its source. */
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
  const { events, sources } = context
  const { datasetId, number } = place.version
  const { path, size, digest, contentType } = entry
  const range = clampRange(entry, options.range)
  const { stallMs } = options
  if (stallMs !== undefined && !(stallMs > 0 && stallMs <= LONGEST_STALL)) {
    throw new StowageError('invalid-request', 'The stall limit is not a number of milliseconds above 0.', {
      field: 'stallMs',
      hint: `Give at most ${LONGEST_STALL}, or leave it out for 3000.`,
    })
  }
  const places = placesOf(sources, place.replicas)
  const all = places.map((one) => ({ ...one, key: one.path + entry.key }))
  const isBad = ({ sourceId, key }: (typeof all)[number]) => place.damaged.has(damageName(sourceId, key))
  // What is known to be bad comes last: where nothing else can be read, some of its blocks may be good.
  const candidates = [...all.filter((one) => !isBad(one)), ...all.filter(isBad)]
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
  const blocks = size > BLOCK_SIZE ? await blocksFor(places, entry, { events, datasetId, signal }) : undefined
  const failovers: ReadFailover[] = []
  const bytes = readVerified({
    size,
    digest,
    candidates,
    range,
    ...(stallMs === undefined ? {} : { stallMs }),
    ...(blocks === undefined ? {} : { blocks }),
    signal,
    onOutcome: (sourceId, outcome) => {
      sources.report(sourceId, outcome)
      if (!outcome.ok && pointsAtFile(context, sourceId, outcome.code)) suspect(context, place, entry, sourceId)
    },
    onFailover: (failover) => {
      const event = { datasetId, path, ...failover }
      failovers.push(event)
      events.emit('read.failover', event)
    },
  })
  return {
    path,
    version: number,
    size,
    digest,
    ...(contentType === undefined ? {} : { contentType }),
    decision: place.decision,
    stream: streamOf(bytes, stop),
    failovers,
  }
}

/** Whether a failure is likely the file's. MinIO, for one, answers as if it were overloaded when it finds that a file is rotten. */
function pointsAtFile({ sources }: Context, sourceId: string, code: ErrorCode): boolean {
  if (badObject.has(code)) return true
  return code === 'unavailable' && sources.health()[sourceId]?.healthy === true
}

/** Has the scrub look at a file that was found bad, as soon as it runs. The read goes on in any case. */
function suspect(context: Context, place: VersionPlace, entry: ManifestEntry, sourceId: string): void {
  const replica = place.replicas.find((one) => one.sourceId === sourceId)
  if (replica === undefined) return
  const { datasetId, version, path } = replica
  const what = { what: 'file', key: entry.key, name: `"${entry.path}"`, entry } as const
  report(new ScrubRecords(context.records), { datasetId, sourceId, path, version, ...what }).catch(() => undefined)
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

function clampRange(entry: ManifestEntry, range: OpenOptions['range']): { start: number; length: number } {
  const start = range?.start ?? 0
  const wanted = range?.length ?? entry.size - start
  if (start < 0 || wanted < 0 || !Number.isSafeInteger(start) || !Number.isSafeInteger(wanted) || start > entry.size) {
    throw new StowageError(
      'invalid-request',
      `The range does not lie in "${entry.path}", which has ${entry.size} bytes.`,
      { field: 'range' },
    )
  }
  return { start, length: Math.min(wanted, entry.size - start) }
}

/** Ordered ways to a file for programs that read by themselves. */
export async function accessFile(context: Context, place: VersionPlace, options: AccessOptions): Promise<Access> {
  const entry = await findEntry(place, options.path, options.signal)
  const alternatives: Access['alternatives'] = []
  const without: Access['without'] = []
  for (const replica of place.replicas) {
    const { sourceId } = replica
    const key = replica.path + entry.key
    if (place.damaged.has(damageName(sourceId, key))) {
      // Whoever reads by himself checks nothing.
      without.push({ sourceId, reason: 'this file is damaged there' })
      continue
    }
    try {
      const adapter = await context.sources.adapter(sourceId)
      if (options.mode === 'mount') {
        alternatives.push({ sourceId, mountPath: adapter.mountPath(key) })
        continue
      }
      const { url, expiresAt } = await adapter.presign({
        method: 'get',
        key,
        expiresIn: options.expiresIn ?? 3600,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      })
      alternatives.push({ sourceId, url, expiresAt })
    } catch (error) {
      // What is wrong with the request, or stops it, is no fault of the source.
      if (hasCode(error, 'aborted', 'invalid-request')) throw error
      without.push({ sourceId, reason: toStowageError(error).message })
    }
  }
  if (alternatives.length === 0) {
    const what = options.mode === 'url' ? 'presigned URLs' : 'mount paths'
    throw new StowageError('not-supported', `No source that holds "${options.path}" gives ${what}.`, {
      hint: without.map(({ sourceId, reason }) => `${sourceId}: ${reason}`).join('; '),
    })
  }
  const { size, digest } = entry
  return {
    path: options.path,
    version: place.version.number,
    size,
    digest,
    alternatives,
    without,
    decision: place.decision,
  }
}
