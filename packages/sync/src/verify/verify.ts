import {
  type Clock,
  digestStream,
  type Location,
  type Random,
  Reporter,
  StowageError,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import { retry, Semaphore } from '../flow/index.ts'
import {
  isOwnKey,
  keyFilter,
  listSide,
  merge,
  type PlannedObject,
  placeOf,
  type Row,
  type Side,
} from '../plan/index.ts'

/** What to compare. */
export interface VerifyOptions {
  /** Globs of relative keys that take part; see {@link keyFilter}. @defaultValue all */
  include?: readonly string[]
  /** Globs of relative keys that do not take part, on either side. */
  exclude?: readonly string[]
  /** Objects at a time. @defaultValue 8 */
  concurrency?: number
  /** Tries of each object. @defaultValue 3 */
  maxAttempts?: number
  signal?: AbortSignal
  /** Told after every object. */
  onProgress?: (progress: VerifyCounts & { bytes: number }) => void
}

/** Objects by what the comparison found. */
export interface VerifyCounts {
  same: number
  different: number
  /** Only in A. */
  onlyA: number
  /** Only in B. */
  onlyB: number
  /** Could not be read on one side. */
  failed: number
}

/** One key on which the sides do not agree. */
export interface Difference {
  key: string
  kind: 'different' | 'only-a' | 'only-b' | 'failed'
  /** What differs, or why it could not be read. */
  message: string
}

/** What a comparison found. */
export interface VerifyResult {
  /** `same` only when every object of both sides was read and agrees. */
  status: 'same' | 'different'
  objects: VerifyCounts
  /** Bytes read, of both sides. */
  bytes: number
  seconds: number
  /** The first differences, in no fixed order, at most 1000; the counts tell of all. */
  differences: Difference[]
  warnings: string[]
}

const kept = 1000

/**
 * Reads both sides and compares every byte, by digests. Constant memory.
 * @throws StowageError `configuration` for a place that there cannot be, of a listing that failed, or `aborted`
 */
export async function verifySides(
  time: { clock: Clock; random: Random },
  a: Location,
  b: Location,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const run = new Verification(time, placeOf(a, 'a'), placeOf(b, 'b'), options)
  return await run.perform()
}

class Verification {
  readonly #clock: Clock
  readonly #random: Random
  readonly #a: Location
  readonly #b: Location
  readonly #options: VerifyOptions
  readonly #abort = new AbortController()
  readonly #signal: AbortSignal
  readonly #counts: VerifyCounts = { same: 0, different: 0, onlyA: 0, onlyB: 0, failed: 0 }
  readonly #differences: Difference[] = []
  readonly #warnings: string[] = []
  readonly #reporter: Reporter<VerifyCounts & { bytes: number }>
  #bytes = 0

  constructor(time: { clock: Clock; random: Random }, a: Location, b: Location, options: VerifyOptions) {
    this.#clock = time.clock
    this.#random = time.random
    this.#a = a
    this.#b = b
    this.#options = options
    this.#reporter = new Reporter(time.clock, options.onProgress)
    this.#signal =
      options.signal === undefined ? this.#abort.signal : AbortSignal.any([options.signal, this.#abort.signal])
  }

  async perform(): Promise<VerifyResult> {
    throwIfAborted(this.#signal)
    const began = this.#clock.now()
    const lanes = new Semaphore(this.#options.concurrency ?? 8)
    const running = new Set<Promise<void>>()
    try {
      for await (const page of merge(this.#list('from'), this.#list('to'), nothing())) {
        for (const row of page) {
          const release = await lanes.acquire(1, this.#signal)
          const work: Promise<void> = this.#compare(row).finally(() => {
            release()
            running.delete(work)
          })
          running.add(work)
        }
      }
    } catch (error) {
      this.#abort.abort()
      throw error
    } finally {
      await Promise.all(running)
    }
    throwIfAborted(this.#signal)
    this.#reporter.flush(this.#report)
    const { different, onlyA, onlyB, failed } = this.#counts
    return {
      status: different + onlyA + onlyB + failed === 0 ? 'same' : 'different',
      objects: { ...this.#counts },
      bytes: this.#bytes,
      seconds: (this.#clock.now() - began) / 1000,
      differences: this.#differences,
      warnings: this.#warnings,
    }
  }

  readonly #report = () => ({ ...this.#counts, bytes: this.#bytes })

  async *#list(side: Side): AsyncGenerator<PlannedObject[]> {
    const filter = keyFilter(this.#options.include, this.#options.exclude)
    const pages = listSide({
      location: side === 'from' ? this.#a : this.#b,
      side,
      after: '',
      clock: this.#clock,
      random: this.#random,
      signal: this.#signal,
      onSkipped: ({ name, reason, severity }) => {
        const letter = side === 'from' ? 'A' : 'B'
        if (severity === 'ignored') this.#warn(`Left out in ${letter}: "${name}" ${reason}.`)
        else this.#note('failed', 'failed', name, `Cannot be listed in ${letter}: ${reason}.`)
      },
    })
    for await (const page of pages) yield page.filter(({ key }) => filter(key) && !isOwnKey(key))
  }

  async #compare({ key, source, target }: Row): Promise<void> {
    if (target === undefined) this.#note('onlyA', 'only-a', key, 'Only A has it.')
    else if (source === undefined) this.#note('onlyB', 'only-b', key, 'Only B has it.')
    else if (source.size !== target.size) {
      this.#note('different', 'different', key, `${source.size} bytes in A, ${target.size} in B.`)
    } else await this.#compareBytes(key)
    this.#reporter.touch(this.#report)
  }

  async #compareBytes(key: string): Promise<void> {
    // One side's failure ends the other's reading, and both readings end before the next object begins.
    const abort = new AbortController()
    const signal = AbortSignal.any([this.#signal, abort.signal])
    const read = (location: Location): Promise<string> =>
      this.#digest(location, key, signal).catch((error: unknown) => {
        abort.abort()
        throw error
      })
    const [a, b] = await Promise.allSettled([read(this.#a), read(this.#b)])
    if (a.status === 'fulfilled' && b.status === 'fulfilled') {
      if (a.value === b.value) this.#counts.same++
      else this.#note('different', 'different', key, 'The bytes differ.')
      return
    }
    if (this.#signal.aborted) return
    const reasons = [a, b].flatMap((result) => (result.status === 'rejected' ? [toStowageError(result.reason)] : []))
    const first = reasons.find(({ code }) => code !== 'aborted') ?? reasons[0]
    this.#note('failed', 'failed', key, `${first?.code}: ${first?.message}`)
  }

  async #digest({ adapter, prefix }: Location, key: string, signal: AbortSignal): Promise<string> {
    return await retry(
      async () => {
        const { info, body } = await adapter.get(prefix + key, { signal })
        const { digest, size } = await digestStream(body)
        if (size !== info.size) throw new StowageError('integrity', `${size} bytes arrived, not ${info.size}.`, { key })
        this.#bytes += size
        return digest
      },
      {
        clock: this.#clock,
        random: this.#random,
        signal,
        attempts: this.#options.maxAttempts ?? 3,
        backoff: { baseMs: 500, maxMs: 10_000 },
      },
    )
  }

  #note(count: keyof VerifyCounts, kind: Difference['kind'], key: string, message: string): void {
    this.#counts[count]++
    if (this.#differences.length < kept) this.#differences.push({ key, kind, message })
  }

  #warn(message: string): void {
    if (this.#warnings.length < kept) this.#warnings.push(message)
  }
}

async function* nothing(): AsyncGenerator<never> {}
