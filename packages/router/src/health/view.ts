import type { SourceHealth } from '@stowage/core'
import { isEjected } from './reduce.ts'
import { type HealthOptions, type HealthState, healthDefaults } from './state.ts'

/**
 * A source's health as routing sees it at this moment: unhealthy while it is ejected or its credentials are refused; in tier 1, after the
 * others, while it is half open, throttles us or fails often; else in tier 0.
 *
 * @param now milliseconds since the epoch
 */
export function healthOf(
  state: Readonly<HealthState> | undefined,
  now: number,
  options: HealthOptions = {},
): SourceHealth {
  if (state === undefined) return { healthy: true, tier: 0 }
  const { degradedErrorRate } = { ...healthDefaults, ...options }
  const healthy = !state.broken && !isEjected(state, now)
  const halfOpen = state.ejectedUntil !== undefined
  const throttled = state.throttledUntil !== undefined && now < state.throttledUntil
  const degraded = halfOpen || throttled || state.errorRate >= degradedErrorRate
  return {
    healthy,
    tier: degraded ? 1 : 0,
    ...(state.latencyMs === undefined ? {} : { latencyMs: state.latencyMs }),
    ...(state.lastCheckedAt === undefined ? {} : { lastCheckedAt: state.lastCheckedAt }),
    ...((healthy && !degraded) || state.code === undefined ? {} : { code: state.code }),
  }
}
