import type { Context } from '../../app/context.ts'
import type { Manifests } from '../../datasets/manifests.ts'
import type { JsonRecords } from '../../records/index.ts'
import type { ScrubFinding } from '../inspect/index.ts'
import type { ScrubResult } from '../options.ts'
import type { PassCounts, ScrubPlace } from '../places/index.ts'

/** What the parts of one run share. */
export interface Run {
  readonly context: Context
  readonly manifests: Manifests
  readonly records: JsonRecords
  readonly repair: boolean
  readonly signal: AbortSignal | undefined
  readonly result: ScrubResult
  /** Adds to what the run did. */
  count(place: Pick<ScrubPlace, 'sourceId' | 'datasetId'>, counts: Partial<PassCounts>): void
}

/** Adds a finding to what is told. */
export function tell({ result }: Run, finding: ScrubFinding): void {
  if (result.findings.length < 1000) result.findings.push(finding)
}
