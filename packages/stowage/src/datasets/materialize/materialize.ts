import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { type FileSystem, type ManifestEntry, StowageError, systemFiles } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { blocksFor } from '../blocks.ts'
import { PathGuard } from '../path-guard.ts'
import { placesOf } from '../places.ts'
import { openEntry, type VersionPlace } from '../read/index.ts'
import { patienceOf } from '../read/patience.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { FileCache } from './cache.ts'
import { BUSY_MS, type Origin } from './fetch.ts'
import { fileError } from './file-errors.ts'
import { TargetFolder } from './folder.ts'
import { MountedReplicas } from './mounted.ts'
import type { Materialized, MaterializeOptions } from './options.ts'
import { prune } from './prune.ts'
import { isOwnName, type Recorded } from './record.ts'
import { MaterializeRun } from './run.ts'

const CONCURRENCY = 16
/** Files that another process is fetching are left for later, so many at most. */
const LATER = 10_000
/** Between looks at what another process is fetching, in milliseconds. */
const LOOK_MS = 200

/**
 * Makes a version into a folder. Each file gets its name when its bytes are there and right, so a run that is stopped or killed leaves a folder
 * in which every file is right, and the next run goes on with it.
 */
export async function materialize(
  context: Context,
  place: VersionPlace,
  options: MaterializeOptions,
  fs: FileSystem = systemFiles,
): Promise<Materialized> {
  const { prefix = '' } = options
  checkOptions(options)
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
  const { datasetId, number: version, manifest } = place.version
  const content: Recorded = { datasetId, version, manifest, prefix }
  const dir = resolve(options.dir)
  try {
    const run = await open(context, place, dir, content, { ...options, signal }, fs)
    await new Walk(context, place, run, options, signal, stop).all()
    await run.folder.finish(content)
    return await run.end()
  } catch (error) {
    if (!options.signal?.aborted) throw fileError(error, dir)
    throw new StowageError('aborted', 'The materialization was stopped.', {
      cause: options.signal.reason,
      hint: 'The same call goes on from here.',
    })
  }
}

function checkOptions({ maxCacheBytes, concurrency }: MaterializeOptions): void {
  for (const [field, value] of Object.entries({ maxCacheBytes, concurrency })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue
    throw new StowageError('invalid-request', `${field} is not a whole number from 1.`, { field })
  }
}

async function open(
  context: Context,
  place: VersionPlace,
  dir: string,
  content: Recorded,
  options: MaterializeOptions & { signal: AbortSignal },
  fs: FileSystem,
): Promise<MaterializeRun> {
  const { link = 'auto', verify = false, repair = false, maxCacheBytes, signal } = options
  const { clock, random } = context
  const newId = () => random.id(clock.now())
  const now = () => clock.now()
  const root = resolve(options.cacheDir ?? usersCache())
  if (root === dir || `${root}/`.startsWith(`${dir}/`) || `${dir}/`.startsWith(`${root}/`)) {
    throw new StowageError('invalid-request', 'The cache and the folder lie in each other.', {
      field: 'cacheDir',
      hint: 'Name a folder beside the other.',
    })
  }
  const cache = await FileCache.open(root, fs, now, newId)
  await cache.recover(BUSY_MS)
  const folder = await TargetFolder.open(dir, { fs, newId, now, link, verify, repair, signal }, content)
  const mounts = options.from === 'mount' ? await MountedReplicas.of(context, fs, place, options.node) : undefined
  const run = new MaterializeRun({
    fs,
    clock,
    cache,
    folder,
    verify,
    version: place.version,
    whole: content.prefix === '',
    flush: options.durability === 'power',
    signal,
    prune: maxCacheBytes === undefined ? undefined : () => prune(fs, cache, maxCacheBytes),
    ...(maxCacheBytes === undefined ? {} : { maxCacheBytes }),
    ...(mounts === undefined ? {} : { mounts }),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    origin: (failovers) => originOf(context, place, signal, failovers),
  })
  return run
}

/** The file from its replicas, by reads that survive their source. */
function originOf(
  context: Context,
  place: VersionPlace,
  signal: AbortSignal,
  onFailovers: (count: number) => void,
): Origin {
  const { events, sources } = context
  const { datasetId } = place.version
  return {
    blocks: (entry) =>
      blocksFor(placesOf(sources, place.replicas), entry, {
        events,
        datasetId,
        signal,
        patience: patienceOf(context, undefined, place.setbacks),
      }),
    async *read(entry, from) {
      const file = await openEntry(context, place, entry, { range: { start: from }, signal })
      try {
        yield* file.stream as AsyncIterable<Uint8Array>
      } finally {
        file.stream.destroy()
        onFailovers(file.failovers.length)
      }
    },
  }
}

/** Goes through the files of a version, several at once. */
class Walk {
  readonly #context: Context
  readonly #place: VersionPlace
  readonly #run: MaterializeRun
  readonly #options: MaterializeOptions
  readonly #signal: AbortSignal
  readonly #stop: AbortController
  readonly #running = new Set<Promise<void>>()
  readonly #later: ManifestEntry[] = []
  #failure: { error: unknown } | undefined

  constructor(
    context: Context,
    place: VersionPlace,
    run: MaterializeRun,
    options: MaterializeOptions,
    signal: AbortSignal,
    stop: AbortController,
  ) {
    this.#context = context
    this.#place = place
    this.#run = run
    this.#options = options
    this.#signal = signal
    this.#stop = stop
  }

  async all(): Promise<void> {
    const guard = new PathGuard()
    try {
      const ignoresCase = await this.#run.folder.ignoresCase()
      const entries = this.#place.manifest.entries(this.#options.prefix)
      for (;;) {
        const { value: entry, done } = await unlessAborted(entries.next(), this.#signal)
        if (done) break
        checkPath(guard, entry)
        if (ignoresCase) checkCase(guard, entry)
        await this.#start(entry, async () => {
          const insist = this.#later.length >= LATER
          if ((await this.#run.place(entry, insist)) === 'busy') this.#later.push(entry)
        })
      }
      await this.#settled()
      for (const entry of this.#later) await this.#start(entry, () => this.#await(entry))
    } catch (error) {
      this.#fail(error)
    }
    await this.#settled()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Begins with a file as soon as there is room for one more. */
  async #start(entry: ManifestEntry, work: () => Promise<void>): Promise<void> {
    const most = this.#options.concurrency ?? CONCURRENCY
    while (this.#running.size >= most) await Promise.race(this.#running)
    if (this.#signal.aborted) return
    const task: Promise<void> = work()
      .catch((error: unknown) => this.#fail(fileError(error, this.#run.folder.pathOf(entry))))
      .finally(() => this.#running.delete(task))
    this.#running.add(task)
  }

  /** Waits for a file that another process is fetching, and fetches it when that one does not go on. */
  async #await(entry: ManifestEntry): Promise<void> {
    while ((await this.#run.place(entry, false)) === 'busy') await this.#context.clock.sleep(LOOK_MS, this.#signal)
  }

  async #settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#stop.abort()
  }
}

/** A manifest's paths were checked when they came; whoever forged one gets no further than here. */
function checkPath(guard: PathGuard, { path }: ManifestEntry): void {
  const problem = isOwnName(path) ? 'is the name of a file that Stowage itself keeps there' : guard.problem(path)
  if (problem === undefined) return
  throw new StowageError('invalid-key', `The path "${path}" ${problem}.`, { key: path })
}

function checkCase(guard: PathGuard, { path }: ManifestEntry): void {
  const other = guard.collision(path)
  if (other === undefined) return
  throw new StowageError(
    'conflict',
    `"${path}" collides with "${other}" on this disk, which does not tell them apart.`,
    {
      key: path,
      hint: 'Use another disk.',
    },
  )
}

/** Beside what else is kept for the user under this name, such as the compiled program. */
function usersCache(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stowage', 'files')
}
