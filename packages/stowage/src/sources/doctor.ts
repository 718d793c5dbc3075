import type { DiagnoseOptions, Diagnosis, StorageAdapter } from '@stowage/core'

/** A source as its doctor saw it. */
export interface SourceDiagnosis extends Diagnosis {
  id: string
  /** No finding is an error. */
  ok: boolean
}

/** Looks at a source; one whose adapter looks at nothing is probed. */
export async function diagnose(adapter: StorageAdapter, options: DiagnoseOptions): Promise<SourceDiagnosis> {
  const { id } = adapter
  const found = (await adapter.diagnose?.(options)) ?? (await probed(adapter, options))
  return { id, ok: found.findings.every(({ severity }) => severity !== 'error'), ...found }
}

async function probed(adapter: StorageAdapter, { signal, write, timeoutMs }: DiagnoseOptions): Promise<Diagnosis> {
  const { ok, error } = await adapter.probe({
    ...(signal === undefined ? {} : { signal }),
    ...(write === undefined ? {} : { write }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })
  const message = error?.message ?? 'It served a probe.'
  const hint = error?.hint
  const severity = ok ? 'ok' : 'error'
  return { permissions: {}, findings: [{ severity, code: 'probe', message, ...(hint === undefined ? {} : { hint }) }] }
}
