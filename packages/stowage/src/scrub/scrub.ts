import { BLOCK_SIZE, Reporter, StowageError, throwIfAborted, toStowageError } from '@stowage/core'
import type { Context } from '../app/context.ts'
import type { Manifests } from '../datasets/manifests.ts'
import { JsonRecords } from '../records/index.ts'
import { sweepMends } from './mend/index.ts'
import type { ScrubOptions, ScrubProgress, ScrubResult } from './options.ts'
import type { Run } from './pass/index.ts'
import { cycleMs, dueFirst, lookAtSuspects, RunBudget, type Scheduled, SourceBudget, scrubPlace } from './pass/index.ts'
import {
  allPlaces,
  noCounts,
  type PlaceState,
  placeKey,
  placeStates,
  type ScrubPlace,
  sizeOf,
  writtenAt,
} from './places/index.ts'
import { hourlyBudget, type ScrubSettings } from './settings.ts'

const DAY = 86_400_000

interface Queued extends Scheduled {
  place: ScrubPlace
}

/**
 * Reads what is due of every replica and mends what is bad, within the budget. Any number of processes may do it at the same time: they share
 * the work. What a run does not get to, the next one goes on with, from where it was.
 * @throws StowageError `invalid-request` for a budget that reads nothing, `aborted`
 */
export async function scrub(
  context: Context,
  manifests: Manifests,
  settings: ScrubSettings,
  options: ScrubOptions = {},
): Promise<ScrubResult> {
  const { budget = Number.MAX_SAFE_INTEGER, signal, repair = true } = options
  if (!(budget >= BLOCK_SIZE)) {
    throw new StowageError('invalid-request', `"budget" must be ${BLOCK_SIZE} bytes or more.`, { field: 'budget' })
  }
  const started = context.clock.now()
  const empty = { findings: [], finished: 0, problems: [], spent: [], behind: [], seconds: 0 }
  const result: ScrubResult = { ...noCounts, ...empty }
  const records = new JsonRecords(context.records)
  const reporter = new Reporter(context.clock, options.onProgress)
  let last: Pick<ScrubProgress, 'sourceId' | 'datasetId'> = { sourceId: '', datasetId: '' }
  const report = (): ScrubProgress => {
    const { files, bytes, bad, mended } = result
    return { ...last, files, bytes, bad, mended }
  }
  const count: Run['count'] = ({ sourceId, datasetId }, counts) => {
    for (const name of ['files', 'bytes', 'bad', 'mended', 'unread'] as const) result[name] += counts[name] ?? 0
    last = { sourceId, datasetId }
    reporter.touch(report)
  }
  const run: Run = { context, manifests, records, repair, signal, result, count }
  await context.sources.fresh()
  await sweepMends(context, records, signal)
  await lookAtSuspects(run, options.sourceId)
  const left = new RunBudget(Math.max(0, budget - result.bytes))
  const bySource = await sourcesOf(context, options.sourceId)
  const ended = await Promise.allSettled(
    [...bySource].map(([sourceId, places]) => scrubSource(run, settings, sourceId, places, left)),
  )
  for (const one of ended) if (one.status === 'rejected') throw toStowageError(one.reason, signal)
  if (last.sourceId !== '') reporter.flush(report)
  result.seconds = (context.clock.now() - started) / 1000
  return result
}

/** The places of every source that is enabled. */
async function sourcesOf({ catalog, sources }: Context, only: string | undefined): Promise<Map<string, ScrubPlace[]>> {
  const enabled = new Set(sources.list().flatMap(({ id, enabled }) => (enabled ? [id] : [])))
  const bySource = new Map<string, ScrubPlace[]>()
  for await (const place of allPlaces(catalog)) {
    const { sourceId } = place
    if (!enabled.has(sourceId) || (only !== undefined && sourceId !== only)) continue
    const there = bySource.get(sourceId)
    if (there === undefined) bySource.set(sourceId, [place])
    else there.push(place)
  }
  return bySource
}

async function scrubSource(
  run: Run,
  settings: ScrubSettings,
  sourceId: string,
  places: readonly ScrubPlace[],
  left: RunBudget,
): Promise<void> {
  const { records, result, signal } = run
  const states = await placeStates(records)
  const queue = places.map((place) => queued(place, states.get(placeKey(place))))
  const held = places.reduce((sum, place) => sum + (states.get(placeKey(place))?.last?.bytes ?? sizeOf(place)), 0)
  const bytesPerHour = hourlyBudget(settings, held)
  const budget = new SourceBudget(records, sourceId, bytesPerHour, left)
  await tellIfBehind(run, settings, sourceId, cycleMs(held, bytesPerHour), budget)
  try {
    const rule = { now: await records.now(), everyMs: settings.everyMs, bytesPerHour }
    for (const { place, oldest } of dueFirst(queue, rule)) {
      throwIfAborted(signal)
      const end = await scrubPlace(run, place, budget, oldest)
      if (end === 'done') result.finished++
      if (end !== 'spent') continue
      result.spent.push(sourceId)
      break
    }
  } finally {
    await budget.close()
  }
}

function queued(place: ScrubPlace, state: PlaceState | undefined): Queued {
  const size = state?.last?.bytes ?? sizeOf(place)
  return {
    place,
    oldest: state?.last?.startedAt ?? writtenAt(place),
    bytes: Math.max(0, size - (state?.pass?.bytes ?? 0)),
    begun: state !== undefined && (state.pass !== null || state.problem !== null),
  }
}

/** A budget that does not reach is told once a day. */
async function tellIfBehind(
  { context, result }: Run,
  { everyMs }: ScrubSettings,
  sourceId: string,
  cycle: number,
  budget: SourceBudget,
): Promise<void> {
  if (cycle <= everyMs) return
  const days = Math.ceil(cycle / DAY)
  result.behind.push({ sourceId, days })
  if (!(await budget.tellNow())) return
  const message = `The scrub of "${sourceId}" cannot keep up: at this budget each byte takes ${days} days, not ${everyMs / DAY}.`
  context.events.emit('alert', { severity: 'warning', code: 'timeout', message, sourceId })
}
