import {
  type Capabilities,
  type Clock,
  type Diagnosis,
  hasCode,
  type Permission,
  type ProbeResult,
  toStowageError,
} from '@stowage/core'
import type { Findings } from './findings.ts'

/** More than this, and stores refuse signatures: S3 and OSS take 15 minutes. Warned of well before. Milliseconds. */
const skewWarning = 60_000
const skewError = 15 * 60_000

/** What a browser may do with a bucket. */
interface CorsRule {
  readonly methods: readonly string[]
  readonly exposed: readonly string[]
}

/** What cleans a bucket up by itself. */
interface Lifecycle {
  readonly abortsUploads: boolean
  readonly expiresVersions: boolean
}

/** What a doctor asks a bucket. Each rejects with a StowageError; `not-found` for what is not set. */
export interface BucketQuestions {
  bucket(): Promise<{ region?: string | undefined; date?: string | undefined }>
  versioning(): Promise<string | undefined>
  /** Or what is to be said instead, where the store has no such setting. */
  cors: (() => Promise<readonly CorsRule[]>) | string
  lifecycle(): Promise<Lifecycle>
  /** Where the store cleans up unfinished uploads by itself. */
  ownCleaning?: string
  /** Tries each right, on an object of the probes' folder. `undefined`: it cannot be told. */
  permissions(write: boolean): Promise<Partial<Record<Permission, boolean>>>
  probe(): Promise<ProbeResult>
}

/** The bucket that is looked at. */
export interface Patient {
  readonly bucket: string
  readonly region: string | undefined
  readonly url: URL | undefined
  readonly capabilities: Capabilities
  readonly clock: Clock
  /** The least policy that would do. */
  readonly policy: Readonly<Record<string, unknown>>
}

/** Looks at a bucket and what is set for it. */
export async function examineBucket(
  ask: BucketQuestions,
  patient: Patient,
  write: boolean,
  findings: Findings,
  diagnosis: Diagnosis,
): Promise<void> {
  diagnosis.policy = patient.policy
  examineAddress(patient, findings)
  if (!(await examineItself(ask, patient, findings))) return
  const probe = await ask.probe()
  findings.probed(probe)
  Object.assign(diagnosis.permissions, await ask.permissions(write))
  tellPermissions(diagnosis.permissions, findings)
  await examineVersions(ask, findings)
  await examineCors(ask, findings)
  examinePresigning(patient, findings)
}

function examineAddress({ url }: Patient, findings: Findings): void {
  if (url === undefined || url.protocol === 'https:') findings.add('ok', 'tls', 'The connection is encrypted.')
  else if (/(^|\.)localhost$|^127(\.\d+){3}$|^\[::1\]$/.test(url.hostname)) {
    findings.add('ok', 'tls', 'The connection is not encrypted, and does not leave this machine.')
  } else {
    const message = 'The connection is not encrypted: who sits on the network can read what passes.'
    findings.add('warning', 'tls', message, 'Give the store a certificate and use https (tls.ca names its authority).')
  }
}

async function examineItself(ask: BucketQuestions, patient: Patient, findings: Findings): Promise<boolean> {
  try {
    const { region, date } = await ask.bucket()
    findings.add(
      'ok',
      'bucket',
      `The bucket ${patient.bucket} is there${region === undefined ? '' : `, in ${region}`}.`,
    )
    if (region !== undefined && patient.region !== undefined && region !== patient.region) {
      const message = `The bucket lies in ${region}, and the source says ${patient.region}.`
      findings.add('warning', 'region', message, `Set region to ${region}.`)
    }
    if (date !== undefined) examineClock(Date.parse(date) - patient.clock.now(), findings)
    return true
  } catch (thrown) {
    const error = toStowageError(thrown)
    // The right to ask for the bucket itself may be missing while the rest is there.
    if (hasCode(error, 'access-denied')) {
      findings.failed('bucket', 'The bucket itself', error)
      return true
    }
    findings.add('error', 'bucket', error.message, error.hint)
    return false
  }
}

function examineClock(skew: number, findings: Findings): void {
  if (Number.isNaN(skew)) return
  // The header has no fractions of a second.
  const size = Math.abs(skew)
  const said = `This machine's clock is ${Math.round(size / 1000)} s ${skew > 0 ? 'behind' : 'ahead of'} the store's.`
  if (size < skewWarning) findings.add('ok', 'clock-skew', "This machine's clock agrees with the store's.")
  else findings.add(size < skewError ? 'warning' : 'error', 'clock-skew', said, 'Let a time service set the clock.')
}

const uses: Readonly<Record<Permission, string>> = {
  list: 'list objects',
  get: 'read objects',
  put: 'write objects',
  delete: 'delete objects',
  multipart: 'upload in parts',
  abort: 'throw away unfinished uploads',
  tags: 'read and write tags',
}

function tellPermissions(permissions: Diagnosis['permissions'], findings: Findings): void {
  for (const [name, granted] of Object.entries(permissions) as [Permission, boolean][]) {
    if (granted) findings.add('ok', `permission-${name}`, `It may ${uses[name]}.`)
    else {
      const severity = name === 'tags' ? 'warning' : 'error'
      const hint = 'Grant it (see the policy), or set readOnly if nothing is to be written.'
      findings.add(severity, `permission-${name}`, `It may not ${uses[name]}.`, hint)
    }
  }
}

async function examineVersions(ask: BucketQuestions, findings: Findings): Promise<void> {
  let lifecycle: Lifecycle | undefined
  try {
    lifecycle = await ask.lifecycle().catch((error: unknown) => {
      if (hasCode(error, 'not-found')) return { abortsUploads: false, expiresVersions: false }
      throw error
    })
    if (ask.ownCleaning !== undefined) findings.add('ok', 'lifecycle', ask.ownCleaning)
    else if (lifecycle.abortsUploads) findings.add('ok', 'lifecycle', 'Unfinished uploads are cleaned up.')
    else {
      const hint = 'Add a lifecycle rule that aborts incomplete multipart uploads after some days.'
      findings.add('warning', 'lifecycle', 'Unfinished uploads of a process that died stay, and cost.', hint)
    }
  } catch (error) {
    findings.failed('lifecycle', 'The lifecycle rules', toStowageError(error))
  }
  try {
    const versioning = await ask.versioning()
    if (versioning === undefined) findings.add('ok', 'versioning', 'The bucket keeps no versions.')
    else if (versioning === 'Suspended') findings.add('ok', 'versioning', 'The bucket stopped keeping versions.')
    else if (lifecycle?.expiresVersions === true) {
      findings.add('ok', 'versioning', 'The bucket keeps versions, and a rule ends them.')
    } else {
      const hint = 'Add a lifecycle rule for versions that are not the current one, or turn versioning off.'
      findings.add('warning', 'versioning', 'The bucket keeps versions: what is deleted stays, and costs.', hint)
    }
  } catch (error) {
    findings.failed('versioning', 'Versioning', toStowageError(error))
  }
}

async function examineCors(ask: BucketQuestions, findings: Findings): Promise<void> {
  if (typeof ask.cors === 'string') {
    findings.add('ok', 'cors', ask.cors)
    return
  }
  const hint = 'For uploads from browsers, add a CORS rule with PUT and GET that exposes ETag.'
  try {
    const rules = await ask.cors().catch((error: unknown) => {
      if (hasCode(error, 'not-found')) return []
      throw error
    })
    const puts = rules.filter(({ methods }) => methods.includes('PUT'))
    const exposes = puts.some(({ exposed }) => exposed.some((name) => /^(etag|\*)$/i.test(name)))
    if (rules.length === 0) findings.add('warning', 'cors', 'No CORS rule: browsers can neither read nor upload.', hint)
    else if (puts.length === 0)
      findings.add('warning', 'cors', 'No CORS rule allows PUT: browsers cannot upload.', hint)
    else if (!exposes) findings.add('warning', 'cors', 'No CORS rule exposes ETag: uploads in parts fail.', hint)
    else findings.add('ok', 'cors', 'Browsers can upload: a rule allows PUT and exposes ETag.')
  } catch (error) {
    findings.failed('cors', 'CORS', toStowageError(error))
  }
}

function examinePresigning({ capabilities }: Patient, findings: Findings): void {
  if (capabilities.presignedWrites !== 'open') {
    const how = { exact: 'by the store', narrowed: 'by credentials of their own', none: 'by there being none' }
    findings.add(
      'ok',
      'presigned-writes',
      `Presigned writes are bound to their object ${how[capabilities.presignedWrites]}.`,
    )
    return
  }
  const message = 'Who holds a presigned write can make it a copy of any object that the signer may read.'
  const hint = 'Sign with temporary credentials narrowed to the object (STS); uploads stay unreadable until verified.'
  findings.add('warning', 'presigned-writes', message, hint)
}
