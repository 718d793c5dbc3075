import type { Candidate, Decision, Loss } from './decision.ts'

/** What it means to lose by a component. */
const losses: Record<Loss['component'], string> = {
  spill: 'it lets others go first',
  preference: 'a rule prefers the first',
  health: 'less healthy',
  session: 'the session stays with the first',
  distance: 'farther away',
  tieBreak: 'a rule breaks the tie',
  priority: 'later in priority',
  latency: 'slower',
  cost: 'dearer',
  load: 'busier, or not drawn',
  share: 'equal; shared by weight',
  id: 'equal in all else',
}

/**
 * A decision as a table that a person can read: the request, the candidates with the components that are not 0 for all of them, by which each lost to the
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
    ...(request.node === undefined ? [] : [`on node ${clean(request.node)}`]),
  ].join(' ')
  const dataset = request.datasetId === undefined ? '' : ` of dataset ${clean(request.datasetId)}`
  const version = request.version === undefined ? '' : ` version ${request.version}`
  const warning = panic ? '\nno healthy source is left: unhealthy ones are tried, and what they return is checked' : ''
  return `${request.purpose}${dataset}${version} for ${who}${warning}`
}

function candidates({ candidates, order }: Decision): string[] {
  const [first] = candidates
  if (first === undefined) return ['no source can serve this']
  // What is 0 for all is left out.
  const told = order.filter((component) => candidates.some(({ vector }) => vector[component] !== 0))
  const head = ['#', 'source', ...told, 'lost by', 'reasons']
  const rows = candidates.map((candidate) => [
    String(candidate.rank),
    clean(candidate.sourceId),
    ...told.map((component) => show(candidate.vector[component])),
    lostBy(candidate),
    clean(candidate.reasons.join('; ')),
  ])
  return table([head, ...rows])
}

/** By what a candidate lost to the first one. */
function lostBy({ lost }: Candidate): string {
  if (lost === undefined) return '-'
  const rule = lost.ruleId === undefined ? '' : ` (rule "${clean(lost.ruleId)}")`
  return `${lost.component}: ${losses[lost.component]}${rule}`
}

function drops({ dropped }: Decision): string[] {
  if (dropped.length === 0) return []
  const rows = dropped.map(({ sourceId, filter, reason }) => [clean(sourceId), filter, clean(reason)])
  return ['', ...table([['dropped', 'filter', 'because'], ...rows])]
}

function show(value: number): string {
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
