import type { HealthTrouble, SourceHealth } from '@stowage/core'

const troubles: Record<HealthTrouble, string> = {
  ejected: 'ejected after failures',
  'on-trial': 'on trial after failures',
  returning: 'coming back',
  refused: 'refuses us',
  throttled: 'asked for fewer calls',
  failing: 'fails often',
}

/**
 * What is wrong with a source in words: `ejected after failures: timeout, since 2026-11-26T10:00:00Z, tried again at 2026-11-26T10:00:30Z`.
 * Empty while all is well.
 */
export function ailment({ trouble, code, since, retryAt }: SourceHealth): string {
  const what = [trouble === undefined ? undefined : troubles[trouble], code]
    .filter((part) => part !== undefined)
    .join(': ')
  const until = trouble === 'returning' || trouble === 'throttled' ? 'until' : 'tried again at'
  return [
    what,
    since === undefined ? '' : `since ${timeOf(since)}`,
    retryAt === undefined ? '' : `${until} ${timeOf(retryAt)}`,
  ]
    .filter((part) => part !== '')
    .join(', ')
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
