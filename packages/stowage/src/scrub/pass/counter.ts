import type { Inspected, ScrubFinding } from '../inspect/index.ts'
import type { Unit } from '../places/index.ts'
import { noCounts, type PassCounts } from '../places/index.ts'

/** Findings that are told one by one. */
const MAX_FINDINGS = 1000

/** What was looked at and found. */
export class Counter {
  counts: PassCounts = { ...noCounts }
  readonly findings: ScrubFinding[]

  /** @param findings where to put what is found */
  constructor(findings: ScrubFinding[] = []) {
    this.findings = findings
  }

  add(what: Unit['what'] | 'place', { bytes, finding }: Inspected): void {
    const { counts } = this
    if (what === 'file') counts.files++
    counts.bytes += bytes
    if (finding === undefined) return
    if (this.findings.length < MAX_FINDINGS) this.findings.push(finding)
    if (finding.kind === 'unread' || finding.kind === 'unsteady') counts.unread++
    else counts.bad++
    if (finding.mended) counts.mended++
  }
}
