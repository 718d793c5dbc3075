import { Readable } from 'node:stream'
import {
  BLOCK_SIZE,
  blocksKey,
  type DatasetReplica,
  hasCode,
  type ManifestEntry,
  type StorageAdapter,
  StowageError,
  throwIfAborted,
} from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { damageName, type VersionPlace } from '../read/index.ts'
import {
  DOCUMENT_FORMAT,
  type DocumentEnd,
  type DocumentFile,
  type DocumentHeader,
  type DocumentWays,
} from './document.ts'
import type { AccessAnswer, ManifestAccess, ManifestAccessOptions } from './options.ts'
import { fromEach, keep, mountOf, noneGives } from './places.ts'

const HALF_A_DAY = 43_200
/** Lines are handed out in pieces of about so many characters. */
const PIECE = 64 * 1024

/** A replica that the document names. */
type Way = { replica: DatasetReplica } & (
  | { mount: string }
  | { adapter: StorageAdapter; expiresAt: number; hold: () => Promise<boolean> }
)

/**
 * All files of a version, or a part of them, with ways to each: a document for a loader that asks once and not for every file. It is made
 * while it is read, in memory that does not grow with the version.
 */
export async function accessManifest(
  context: Context,
  place: VersionPlace,
  options: ManifestAccessOptions,
): Promise<ManifestAccess> {
  const { limit, signal } = options
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1)) {
    throw new StowageError('invalid-request', 'The limit is not a whole number from 1.', { field: 'limit' })
  }
  const without: AccessAnswer['without'] = []
  const expiresIn = options.expiresIn ?? HALF_A_DAY
  const ways = await fromEach(place.replicas, without, async (replica): Promise<Way> => {
    const mount = await mounted(context, replica, options.node)
    if (mount !== undefined) {
      await keep(context, replica)
      return { replica, mount }
    }
    const adapter = await context.sources.adapter(replica.sourceId)
    // Signing needs no request, so one more tells whether it can be done, and until when.
    const key = `${replica.path}x`
    const { expiresAt } = await adapter.presign({ method: 'get', key, expiresIn, ...(signal ? { signal } : {}) })
    await keep(context, replica, expiresIn)
    const hold = () => context.reads.hold(replica, context.clock.now() + expiresIn * 1000)
    return { replica, adapter, expiresAt, hold }
  })
  const { number, fileCount } = place.version
  if (ways.length === 0) throw noneGives(`No source gives presigned URLs or paths for version ${number}.`, without)
  const header = headerOf(context, place, ways, options)
  const lines = new Lines(place, ways, { ...options, expiresIn }, header)
  return {
    version: number,
    alternatives: ways.map((way) =>
      'mount' in way
        ? { sourceId: way.replica.sourceId, mountPath: way.mount }
        : { sourceId: way.replica.sourceId, expiresAt: way.expiresAt },
    ),
    without,
    decision: place.decision,
    stream: Readable.from(pieces(lines.all(Math.min(limit ?? fileCount, fileCount))), { objectMode: false }),
  }
}

/** Paths are for a node that was named: whoever reads the document need not be on this machine. */
async function mounted(
  context: Context,
  replica: DatasetReplica,
  node: string | undefined,
): Promise<string | undefined> {
  if (node === undefined) return undefined
  try {
    return await mountOf(context, replica, node)
  } catch (error) {
    if (hasCode(error, 'not-supported')) return undefined
    throw error
  }
}

function headerOf(
  { clock, sources }: Context,
  { version }: VersionPlace,
  ways: readonly Way[],
  { prefix, after }: ManifestAccessOptions,
): DocumentHeader {
  const ends = ways.flatMap((way) => ('mount' in way ? [] : [way.expiresAt]))
  return {
    kind: 'stowage-access-manifest',
    format: DOCUMENT_FORMAT,
    dataset: version.datasetId,
    version: version.number,
    manifest: version.manifest,
    fileCount: version.fileCount,
    size: version.size,
    blockSize: BLOCK_SIZE,
    prefix: prefix ?? '',
    after: after ?? null,
    createdAt: clock.now(),
    expiresAt: ends.length === 0 ? null : Math.min(...ends),
    replicas: ways.map((way) => {
      const { id, region } = sources.get(way.replica.sourceId)
      return {
        source: id,
        ...(region === undefined ? {} : { region }),
        ...('mount' in way ? { mount: way.mount } : {}),
      }
    }),
  }
}

/** Makes the lines of one document. */
class Lines {
  readonly #place: VersionPlace
  readonly #ways: readonly Way[]
  readonly #options: ManifestAccessOptions & { expiresIn: number }
  readonly #header: DocumentHeader
  readonly #hasMount: boolean

  constructor(
    place: VersionPlace,
    ways: readonly Way[],
    options: ManifestAccessOptions & { expiresIn: number },
    header: DocumentHeader,
  ) {
    this.#place = place
    this.#ways = ways
    this.#options = options
    this.#header = header
    this.#hasMount = ways.some((way) => 'mount' in way)
  }

  async *all(limit: number): AsyncGenerator<DocumentHeader | DocumentFile | DocumentEnd> {
    const { prefix, after, signal } = this.#options
    yield this.#header
    let files = 0
    let last: string | undefined
    for await (const entry of this.#place.manifest.entries(prefix, after)) {
      throwIfAborted(signal)
      if (files === limit) {
        yield { end: true, files, ...(last === undefined ? {} : { next: last }) }
        return
      }
      yield await this.#file(entry)
      files++
      last = entry.path
    }
    yield { end: true, files }
  }

  async #file(entry: ManifestEntry): Promise<DocumentFile> {
    const { path, size, digest, contentType, key } = entry
    const at = await this.#at(key)
    const list = size > BLOCK_SIZE ? blocksKey(digest) : undefined
    return {
      path,
      size,
      digest,
      ...(contentType === undefined ? {} : { contentType }),
      ...(this.#hasMount ? { key } : {}),
      at,
      ...(list === undefined ? {} : { blocks: { ...(this.#hasMount ? { key: list } : {}), at: await this.#at(list) } }),
    }
  }

  #at(key: string): Promise<DocumentWays> {
    const { expiresIn, signal } = this.#options
    const isDamaged = ({ replica: { sourceId, path } }: Way) =>
      this.#place.damaged.has(damageName(sourceId, path + key))
    // Where all are damaged, some blocks of each may be good.
    const all = this.#place.damaged.size > 0 && this.#ways.every(isDamaged)
    return Promise.all(
      this.#ways.map(async (way) => {
        const { path } = way.replica
        if (!all && isDamaged(way)) return null
        if ('mount' in way) return 1
        const asked = { method: 'get', key: path + key, expiresIn, ...(signal ? { signal } : {}) } as const
        // The document may take hours to be read, and is signed meanwhile.
        return (await way.hold()) ? (await way.adapter.presign(asked)).url : null
      }),
    )
  }
}

async function* pieces(lines: AsyncIterable<object>): AsyncGenerator<Buffer> {
  let text = ''
  for await (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    if (text.length < PIECE) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}
