import type { Candidate, ComponentName, Decision } from './decision.ts'
import { firstDifference } from './vector.ts'

/** What it means to lose by a component. */
const losses: Record<ComponentName, string> = {
  preference: 'a rule prefers the first',
  health: 'less healthy',
  distance: 'farther away',
  tieBreak: 'a rule breaks the tie',
  priority: 'later in priority',
  latency: 'slower',
  cost: 'dearer',
  share: 'equal; shared by weight',
}

/**
 * A decision as a table that a person can read: the request, the candidates with every component, by which of them each lost to the
 * first, what was dropped and why, and the rules that applied.
 *
 * @example
 * ```ts
 * console.log(explain(decide(rules, request, world)))
 * ```
 */
export function explain(decision: Decision): string {
  return [
    question(decision),
    '',
    ...candidates(decision),
    ...drops(decision),
    '',
    `rules: ${decision.ruleIds.map(clean).join(', ') || 'none applied'} (set ${decision.ruleSetHash})`,
  ].join('\n')
}

function question({ request, panic }: Decision): string {
  const who = [
    `${request.userType} user`,
    ...(request.userId === undefined ? [] : [clean(request.userId)]),
    ...(request.workspaceId === undefined ? [] : [`of workspace ${clean(request.workspaceId)}`]),
    request.region === undefined ? 'in no known region' : `in ${clean(request.region)}`,
  ].join(' ')
  const dataset = request.datasetId === undefined ? '' : ` of dataset ${clean(request.datasetId)}`
  const version = request.version === undefined ? '' : ` version ${request.version}`
  const warning = panic ? '\nno healthy source is left: unhealthy ones are tried, and what they return is checked' : ''
  return `${request.purpose}${dataset}${version} for ${who}${warning}`
}

function candidates({ candidates, order }: Decision): string[] {
  const [first] = candidates
  if (first === undefined) return ['no source can serve this']
  const head = ['#', 'source', ...order, 'lost by', 'reasons']
  const rows = candidates.map((candidate) => [
    String(candidate.rank),
    clean(candidate.sourceId),
    ...order.map((component) => show(candidate.vector[component])),
    lostBy(first, candidate, order),
    clean(candidate.reasons.join('; ')),
  ])
  return table([head, ...rows])
}

/** By which component a candidate lost to the first one. */
function lostBy(first: Candidate, candidate: Candidate, order: readonly ComponentName[]): string {
  if (candidate === first) return '-'
  const difference = firstDifference(first.vector, candidate.vector, order)
  return difference === undefined ? 'id: equal in all else' : `${difference.component}: ${losses[difference.component]}`
}

function drops({ dropped }: Decision): string[] {
  if (dropped.length === 0) return []
  const rows = dropped.map(({ sourceId, filter, reason }) => [clean(sourceId), filter, clean(reason)])
  return ['', ...table([['dropped', 'filter', 'because'], ...rows])]
}

function show(value: number | readonly number[]): string {
  if (typeof value !== 'number') return value.join(',') || '-'
  if (value === Number.MAX_VALUE) return 'last'
  return Number.isInteger(value) ? String(value) : value.toPrecision(3)
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** Ids come from outside: nothing that moves a terminal's cursor gets through. */
function clean(text: string): string {
  return text.replace(/\p{C}/gu, '?')
}
