import { type HealthOptions, healthDefaults } from '@stowage/router'

/** How the health of sources is judged and looked after: `routing.health`. Times in milliseconds. */
export interface HealthConfig extends Omit<HealthOptions, 'seed'> {
  /** Whether sources are probed while this runs: in the background, and by workers; by one process for all. @defaultValue true */
  probes?: boolean
  /** A source that nothing was heard of for so long is probed. @defaultValue 30000 */
  probeMs?: number
  /** A source that is not well is probed so often. @defaultValue 5000 */
  probeSickMs?: number
}

/** Health options with everything filled in. */
export type HealthSettings = Required<Omit<HealthOptions, 'seed'>> &
  Required<Pick<HealthConfig, 'probes' | 'probeMs' | 'probeSickMs'>>

/** What `routing.health` says, and its defaults. */
export function healthSettings(config: HealthConfig = {}): HealthSettings {
  const { seed: _, ...judged } = healthDefaults
  return { ...judged, probes: true, probeMs: 30_000, probeSickMs: 5_000, ...config }
}
