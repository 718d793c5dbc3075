import {
  type Clock,
  type DiagnoseOptions,
  type Diagnosis,
  type Finding,
  type FindingSeverity,
  hasCode,
  type ProbeResult,
  StowageError,
  toStowageError,
} from '@stowage/core'

const defaultTimeoutMs = 30_000

/** Collects what a doctor finds. */
export class Findings {
  readonly list: Finding[] = []

  add(severity: FindingSeverity, code: string, message: string, hint?: string): void {
    this.list.push({ severity, code, message, ...(hint === undefined ? {} : { hint }) })
  }

  /** Tells of an error that kept something from being looked at. */
  failed(code: string, what: string, error: StowageError): void {
    if (hasCode(error, 'access-denied')) {
      const hint = 'Nothing needs it; grant it if the doctor is to look, or look at the bucket yourself.'
      this.add('warning', code, `${what} may not be looked at with these credentials.`, hint)
    } else if (hasCode(error, 'not-supported')) this.add('warning', code, `${what}: the store has no call for it.`)
    else this.add('warning', code, `${what} could not be looked at: ${error.message}`, error.hint)
  }

  /** Tells what a probe found. */
  probed({ ok, writable, latencyMs, error, checks }: ProbeResult): void {
    if (error !== undefined) this.add('error', 'probe', error.message, error.hint)
    else if (writable === false) {
      const refused = checks.find((check) => check.error !== undefined)?.error
      this.add('warning', 'probe', `It can be read and not written: ${refused?.message}`, refused?.hint)
    } else if (ok) this.add('ok', 'probe', `It served a probe within ${Math.round(latencyMs)} ms.`)
  }
}

/** Looks, within the time, and tells what was found until then. Never throws for what is looked at. */
export async function diagnoseWithin(
  clock: Clock,
  options: DiagnoseOptions,
  look: (findings: Findings, diagnosis: Diagnosis, signal: AbortSignal) => Promise<void>,
): Promise<Diagnosis> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const findings = new Findings()
  const diagnosis: Diagnosis = { findings: [], permissions: {} }
  const over = new AbortController()
  const outside = (): void => over.abort()
  options.signal?.addEventListener('abort', outside, { once: true })
  if (options.signal?.aborted) outside()
  const late = clock.sleep(timeoutMs, over.signal).then(() => {
    throw new StowageError('timeout', `Not everything was looked at within ${timeoutMs} ms.`)
  })
  try {
    await Promise.race([look(findings, diagnosis, over.signal), late])
  } catch (error) {
    const { message, hint } = toStowageError(error, options.signal)
    findings.add('error', 'unfinished', message, hint)
  } finally {
    options.signal?.removeEventListener('abort', outside)
    over.abort()
    late.catch(() => {})
  }
  return { ...diagnosis, findings: [...findings.list] }
}
