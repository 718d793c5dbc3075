import {
  type Clock,
  hasCode,
  type ProbeCheck,
  type ProbeOptions,
  type ProbeResult,
  probeFailure,
  type Random,
  StowageError,
  toStowageError,
} from '@stowage/core'
import type { Called } from './calls.ts'
import { assertCanary } from './probe-content.ts'

const defaultTimeoutMs = 5000
/** Names that probes write under. Few, so that those that die before they delete leave few objects behind, ever. */
const slots = 16

/** What a probe does on one kind of store, each step one attempt. Names lie in the folder of the probes. */
export interface ProbeSteps {
  /** Reads the part of the canary that is looked at. */
  readCanary(signal: AbortSignal): Promise<Uint8Array>
  /** Writes the canary, unless it is there. */
  writeCanary(signal: AbortSignal): Promise<void>
  /** Writes a small object that is not there yet, and gives its version, where the store told one. */
  write(name: string, signal: AbortSignal): Promise<string | undefined>
  /** Deletes it, leaving no version behind; without a version, what lies there now. */
  remove(name: string, version: string | undefined, signal: AbortSignal): Promise<void>
  /** Asks for something else that shows that the store knows us, for those who may not read the canary. */
  ask?(signal: AbortSignal): Promise<void>
}

/** What a probe needs. */
export interface Probing {
  readonly adapter: Called
  readonly clock: Clock
  readonly random: Random
  readonly steps: ProbeSteps
}

/** Runs a probe within its time and tells how it went; never throws. */
export async function runProbe(probing: Probing, options: ProbeOptions): Promise<ProbeResult> {
  const { adapter, clock } = probing
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const over = new AbortController()
  const late = clock.sleep(timeoutMs, over.signal).then(() => {
    throw new StowageError('timeout', `${adapter.id}: no answer within ${timeoutMs} ms.`, { sourceId: adapter.id })
  })
  const outside = (): void => over.abort()
  options.signal?.addEventListener('abort', outside, { once: true })
  const run = new Run(probing, over.signal)
  try {
    if (options.signal?.aborted) outside()
    await Promise.race([run.all(options.write ?? true), late])
  } catch (error) {
    run.fail(toStowageError(error, options.signal))
  } finally {
    options.signal?.removeEventListener('abort', outside)
    over.abort()
    late.catch(() => {})
  }
  return run.result()
}

/** One probe under way. */
class Run {
  readonly #probing: Probing
  readonly #signal: AbortSignal
  readonly #begun: number
  #checks: ProbeCheck[] = []
  #name: ProbeCheck['name'] = 'read'
  #since: number
  #writable: boolean | undefined
  #error: StowageError | undefined
  #result: ProbeResult | undefined

  constructor(probing: Probing, signal: AbortSignal) {
    this.#probing = probing
    this.#signal = signal
    this.#begun = probing.clock.now()
    this.#since = this.#begun
  }

  async all(mayWrite: boolean): Promise<void> {
    this.#pass(await this.#read(mayWrite))
    if (mayWrite) await this.#writeAndDelete()
  }

  /** The check under way did not work, and with it the probe. */
  fail(error: StowageError): void {
    this.#error ??= error
    if (this.#name === 'write') this.#writable = false
    this.#fault(error)
  }

  /** What is known now. What a step that was given up still brings is not heard. */
  result(): ProbeResult {
    const read = this.#checks[0]
    const error = this.#error
    this.#result ??= {
      ok: error === undefined,
      latencyMs: error === undefined && read !== undefined ? read.latencyMs : this.#probing.clock.now() - this.#begun,
      checks: this.#checks,
      ...(this.#writable === undefined ? {} : { writable: this.#writable }),
      ...(error === undefined ? {} : { error, failure: probeFailure(error) }),
    }
    this.#checks = [...this.#checks]
    return this.#result
  }

  async #read(mayWrite: boolean): Promise<string | undefined> {
    const { adapter, steps } = this.#probing
    const look = async (): Promise<void> => assertCanary(adapter, await steps.readCanary(this.#signal))
    try {
      await look()
      return undefined
    } catch (error) {
      if (hasCode(error, 'archived')) return 'the canary was moved to an archive'
      // A store tells those who may not list that they may not read what is not there.
      if (!hasCode(error, 'not-found', 'access-denied')) throw error
      const written = mayWrite ? await this.#writeCanary() : 'may not be written'
      if (written === undefined) {
        try {
          await look()
          return 'the canary was written'
        } catch (again) {
          if (!hasCode(again, 'access-denied')) throw again
        }
      }
      if (error.code === 'not-found') return `the canary is not there and ${written ?? 'may not be read'}`
      if (steps.ask === undefined) throw error
      try {
        await steps.ask(this.#signal)
      } catch (refusal) {
        throw hasCode(refusal, 'access-denied') ? error : refusal
      }
      return 'the canary may not be read; the store answered another question'
    }
  }

  /** Says why it could not be written. */
  async #writeCanary(): Promise<string | undefined> {
    try {
      await this.#probing.steps.writeCanary(this.#signal)
      return undefined
    } catch (error) {
      if (hasCode(error, 'precondition-failed', 'conflict')) return undefined
      if (!isLasting(error)) throw error
      return `could not be written (${(error as StowageError).code})`
    }
  }

  async #writeAndDelete(): Promise<void> {
    const { random, steps } = this.#probing
    const name = `write-${Math.floor(random.next() * slots)}`
    let version: string | undefined
    let note: string | undefined
    this.#begin('write')
    try {
      version = await steps.write(name, this.#signal)
    } catch (error) {
      if (hasCode(error, 'precondition-failed', 'conflict')) note = 'an object of an earlier probe was there'
      else {
        this.#writable = false
        if (!isLasting(error)) throw error
        this.#fault(toStowageError(error))
        return
      }
    }
    this.#writable = true
    this.#pass(note)
    this.#begin('delete')
    try {
      await steps.remove(name, version, this.#signal)
      this.#pass(undefined)
    } catch (error) {
      if (!isLasting(error)) throw error
      this.#fault(toStowageError(error))
    }
  }

  #begin(name: ProbeCheck['name']): void {
    this.#name = name
    this.#since = this.#probing.clock.now()
  }

  #pass(note: string | undefined): void {
    this.#checks.push({ name: this.#name, ok: true, latencyMs: this.#took(), ...(note === undefined ? {} : { note }) })
  }

  #fault(error: StowageError): void {
    this.#checks.push({ name: this.#name, ok: false, latencyMs: this.#took(), error, failure: probeFailure(error) })
  }

  #took(): number {
    return this.#probing.clock.now() - this.#since
  }
}

/** What no waiting changes, and what keeps only writers out: the store is well. */
function isLasting(error: unknown): boolean {
  return hasCode(error, 'access-denied', 'no-space', 'not-supported', 'configuration', 'invalid-request', 'invalid-key')
}
