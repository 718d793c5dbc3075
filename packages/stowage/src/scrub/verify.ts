import { type DatasetReplica, Reporter, StowageError, toStowageError } from '@stowage/core'
import type { Context } from '../app/context.ts'
import type { Manifests } from '../datasets/manifests.ts'
import { JsonRecords } from '../records/index.ts'
import { manifestsFor } from './copies/index.ts'
import {
  checkPlace,
  Inspector,
  inspectAll,
  isBad,
  knownAt,
  PlaceUnreachable,
  type ScrubFinding,
  unlistedFinding,
} from './inspect/index.ts'
import type { DatasetVerification, VerifyDatasetOptions } from './options.ts'
import { Counter } from './pass/index.ts'
import { placesIn, report, type ScrubPlace, sizeOf, suspectOf, unitsOf, versionsAt } from './places/index.ts'

/**
 * Reads every replica of a dataset, or of one of its versions, and holds each byte against the manifests' digests. Files that several versions
 * share are read once.
 * @throws StowageError `not-found` when there is no such version or no ready replica of it, `aborted`
 */
export async function verifyDataset(
  context: Context,
  manifests: Manifests,
  datasetId: string,
  options: VerifyDatasetOptions = {},
): Promise<DatasetVerification> {
  const { signal, repair = false } = options
  const started = context.clock.now()
  await context.sources.fresh()
  const replicas = await wanted(context, datasetId, options)
  const places = placesIn(replicas)
  const records = new JsonRecords(context.records)
  const inspector = new Inspector(context, { repair, condemnUnreadable: repair, signal })
  const total = new Counter()
  const totalBytes = places.reduce((sum, place) => sum + sizeOf(place), 0)
  const reporter = new Reporter(context.clock, options.onProgress)
  const report = () => ({ files: total.counts.files, bytes: total.counts.bytes, totalBytes })
  const done: DatasetVerification['replicas'] = []
  const results = await Promise.allSettled(
    places.map(async (place) => {
      const counter = new Counter(total.findings)
      await verifyPlace(context, manifests, records, inspector, place, counter, signal, (bytes, isFile) => {
        total.counts.bytes += bytes
        total.counts.files += isFile ? 1 : 0
        reporter.touch(report)
      })
      const versions = place.replicas.map(({ version }) => version)
      done.push({ sourceId: place.sourceId, path: place.path, versions, ...counter.counts })
    }),
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
  reporter.flush(report)
  const sum = (field: 'bad' | 'mended' | 'unread') => done.reduce((all, one) => all + one[field], 0)
  const counts = { ...total.counts, bad: sum('bad'), mended: sum('mended'), unread: sum('unread') }
  return {
    datasetId,
    versions: [...new Set(replicas.map(({ version }) => version))].sort((a, b) => a - b),
    clean: counts.unread === 0 && counts.bad === counts.mended,
    ...counts,
    replicas: done.sort((a, b) => (a.sourceId < b.sourceId ? -1 : 1)),
    findings: total.findings,
    seconds: (context.clock.now() - started) / 1000,
  }
}

async function wanted(
  { catalog }: Context,
  datasetId: string,
  { version, sourceId }: VerifyDatasetOptions,
): Promise<DatasetReplica[]> {
  const all = await catalog.listReplicas(datasetId, version)
  const ready = all.filter((one) => one.status === 'ready' && (sourceId === undefined || one.sourceId === sourceId))
  if (ready.length > 0) return ready
  const what = version === undefined ? 'the dataset' : `version ${version}`
  const where = sourceId === undefined ? '' : ` on "${sourceId}"`
  throw new StowageError('not-found', `There is no ready replica of ${what}${where}.`, {
    hint: 'stowage dataset show tells what replicas there are.',
  })
}

async function verifyPlace(
  context: Context,
  manifests: Manifests,
  records: JsonRecords,
  inspector: Inspector,
  place: ScrubPlace,
  counter: Counter,
  signal: AbortSignal | undefined,
  onLook: (bytes: number, isFile: boolean) => void,
): Promise<void> {
  try {
    const known = await knownAt(context, place)
    const problem = await checkPlace(context, inspector, place, known, signal)
    if (problem !== undefined) counter.add('place', { bytes: 0, finding: problem })
    if (problem !== undefined && isBad(problem)) return
    const versions = await versionsAt(context.catalog, place)
    const units = unitsOf(place, versions, manifestsFor(context, manifests, place), null)
    await inspectAll(units, {
      inspect: async (unit) => {
        const inspected = await inspector.inspect(unit, known)
        counter.add(unit.what, inspected)
        onLook(inspected.bytes, unit.what === 'file')
        // What stays bad is looked at again by the scrub, which mends it when it can.
        if (inspected.finding !== undefined && !inspected.finding.mended) await report(records, suspectOf(unit))
      },
      onUnlisted: async (what) => {
        counter.add('manifest', { bytes: 0, finding: unlistedFinding(context, place, what) })
      },
    })
  } catch (thrown) {
    if (!(thrown instanceof PlaceUnreachable)) throw toStowageError(thrown, signal)
    counter.add('place', { bytes: 0, finding: unreadPlace(place, context.sources.redactor.text(thrown.message)) })
  }
}

function unreadPlace(place: ScrubPlace, message: string): ScrubFinding {
  const { datasetId, sourceId, path, replicas } = place
  const base = { datasetId, version: replicas[0]?.version ?? 0, sourceId, key: path, name: 'the whole replica' }
  return { ...base, kind: 'unread', blocks: [], message, mended: false, lost: false }
}
