import { rmdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { filesystem, workFolder } from '@stowage/adapters/filesystem'
import {
  checkKey,
  digestStream,
  hasCode,
  type ManifestEntry,
  portablePathRules,
  RateMeter,
  Reporter,
  type StorageAdapter,
  StowageError,
} from '@stowage/core'
import pLimit from 'p-limit'
import type { Context } from '../app/context.ts'
import { openEntry, type VersionPlace } from './read/index.ts'
import { unlessAborted } from './unless-aborted.ts'

export interface DownloadOptions {
  /** @defaultValue the newest */
  version?: number
  /** Files at once. @defaultValue 8 */
  concurrency?: number
  signal?: AbortSignal
  onProgress?: (progress: DownloadProgress) => void
}

/** Progress of a download. */
export interface DownloadProgress {
  /** Files done. */
  files: number
  totalFiles: number
  /** Bytes that arrived or were there. */
  bytes: number
  totalBytes: number
  /** Bytes a second, smoothed. */
  rate: number
  /** Seconds left, when it can be said. */
  secondsLeft?: number
}

/** What a download did. */
export interface Downloaded {
  version: number
  /** Files of the version, all of which lie in the folder now. */
  files: number
  bytes: number
  /** Files that were there already with the right bytes, as an earlier download leaves them. */
  present: number
  /** Reads that went on from another source. */
  failovers: number
}

/** Files that are looked up ahead of those under way. */
const AHEAD = 64

/**
 * Downloads a version into a folder. Each file appears when its digest was found right; those that are there with the right bytes are not
 * fetched again.
 * @throws StowageError the first failure; files that were finished stay
 */
export async function download(
  context: Context,
  place: VersionPlace,
  directory: string,
  options: DownloadOptions,
): Promise<Downloaded> {
  const root = resolve(directory)
  const local = filesystem({ id: `local:${root}`, root, create: true })
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
  const run = new Download(context, place, local, { ...options, signal })
  const limit = pLimit(options.concurrency ?? 8)
  const running = new Set<Promise<void>>()
  let failure: unknown
  const failed = (error: unknown): void => {
    failure ??= error
    stop.abort()
  }
  try {
    const entries = place.manifest.entries()
    while (!signal.aborted) {
      const { value: entry, done } = await unlessAborted(entries.next(), signal)
      if (done) break
      const task: Promise<void> = limit(() => run.fetch(entry))
        .catch(failed)
        .finally(() => running.delete(task))
      running.add(task)
      if (running.size >= AHEAD) await Promise.race(running)
    }
  } catch (error) {
    failed(error)
  } finally {
    await Promise.all(running)
    await local.close()
    await tidy(root)
  }
  if (options.signal?.aborted)
    throw new StowageError('aborted', 'The download was stopped.', {
      cause: options.signal.reason,
      hint: 'The same download goes on from here.',
    })
  if (failure !== undefined) throw failure
  run.end()
  return run.done
}

class Download {
  readonly done: Downloaded
  readonly #context: Context
  readonly #place: VersionPlace
  readonly #local: StorageAdapter
  readonly #options: DownloadOptions & { signal: AbortSignal }
  readonly #meter: RateMeter
  readonly #reporter: Reporter<DownloadProgress>

  constructor(
    context: Context,
    place: VersionPlace,
    local: StorageAdapter,
    options: DownloadOptions & { signal: AbortSignal },
  ) {
    this.#context = context
    this.#place = place
    this.#local = local
    this.#options = options
    this.#meter = new RateMeter(context.clock.now())
    this.#reporter = new Reporter(context.clock, options.onProgress)
    this.done = { version: place.version.number, files: 0, bytes: 0, present: 0, failovers: 0 }
  }

  async fetch(entry: ManifestEntry): Promise<void> {
    const { signal } = this.#options
    // A manifest's paths were checked when they came; whoever forged one gets no further than here.
    const problem = checkKey(entry.path, portablePathRules)
    if (problem !== undefined) {
      throw new StowageError('invalid-key', `The path "${entry.path}" ${problem}.`, { key: entry.path })
    }
    if (await isThere(this.#local, entry, signal)) {
      this.done.present++
      this.done.bytes += entry.size
    } else {
      const file = await openEntry(this.#context, this.#place, entry, { signal })
      try {
        await this.#local.put(entry.path, this.#counted(file.stream), { size: entry.size, signal })
      } finally {
        file.stream.destroy()
      }
      this.done.failovers += file.failovers.length
    }
    this.done.files++
    this.#reporter.touch(this.#report)
  }

  async *#counted(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      yield chunk
      this.done.bytes += chunk.length
      this.#meter.add(chunk.length)
      this.#reporter.touch(this.#report)
    }
  }

  /** Tells of the end. */
  end(): void {
    this.#reporter.flush(this.#report)
  }

  readonly #report = (): DownloadProgress => {
    const { fileCount: totalFiles, size: totalBytes } = this.#place.version
    const { files, bytes } = this.done
    const rate = this.#meter.sample(this.#context.clock.now())
    const left = rate > 0 ? { secondsLeft: (totalBytes - bytes) / rate } : {}
    return { files, totalFiles, bytes, totalBytes, rate, ...left }
  }
}

/** Whether a file with the right bytes lies there already. */
async function isThere(local: StorageAdapter, { path, size, digest }: ManifestEntry, signal: AbortSignal) {
  try {
    if ((await local.head(path, { signal })).size !== size) return false
    const { body } = await local.get(path, { signal })
    return (await digestStream(body)).digest === digest
  } catch (error) {
    if (hasCode(error, 'not-found', 'bucket-not-found')) return false
    throw error
  }
}

/** Takes the folder for temporary files away, unless another download has something in it. */
async function tidy(root: string): Promise<void> {
  for (const folder of [join(workFolder, 'tmp'), workFolder]) {
    await rmdir(join(root, folder)).catch(() => undefined)
  }
}
