/** How much a finding matters: `error` keeps something from working, `warning` will cost somebody later, `ok` was looked at and is well. */
export type FindingSeverity = 'ok' | 'warning' | 'error'

/** One thing that a doctor looked at. */
export interface Finding {
  severity: FindingSeverity
  /** Stable, such as `clock-skew`: for programs. */
  code: string
  /** One line: what was found. */
  message: string
  /** What to do about it. */
  hint?: string
}

/** The rights that a source needs, tried one by one. */
export type Permission = 'list' | 'get' | 'put' | 'delete' | 'multipart' | 'abort' | 'tags'

/** What was found out about a source. */
export interface Diagnosis {
  findings: Finding[]
  /** Whether each right is there. Those that could not be told, or that the store does not have, are left out. */
  permissions: Partial<Record<Permission, boolean>>
  /** The least policy that would do, as the store's own JSON, where it has policies. */
  policy?: Readonly<Record<string, unknown>>
}

export interface DiagnoseOptions {
  /** Ends it early. */
  signal?: AbortSignal
  /** Try the rights to write too. @defaultValue true, false for a read-only source */
  write?: boolean
  /** Milliseconds for everything together. @defaultValue 30000 */
  timeoutMs?: number
}
