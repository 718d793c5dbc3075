/** The kinds of storage systems. A new one is one new folder in the adapters package and one word here. */
export const sourceTypes = ['oss', 'minio', 's3', 'rustfs', 'filesystem', 'memory'] as const
export type SourceType = (typeof sourceTypes)[number]

/** Derived from `enabled` and health, never set: `inactive` when disabled, `error` when enabled and not healthy. */
export type SourceStatus = 'active' | 'inactive' | 'error'

/** A store that datasets can lie in, without its credentials. */
export interface Source {
  id: string
  name: string
  type: SourceType
  endpoint?: string
  bucket?: string
  /** Where it stands, such as `cn-hangzhou`; routing measures distance between regions. */
  region?: string
  /** Reachable from outside: external users upload to and read from public sources. */
  isPublic: boolean
  /** A smaller number is tried first. */
  priority: number
  /** Share among sources of equal standing. */
  weight: number
  enabled: boolean
  /** Milliseconds since the epoch. */
  lastHealthCheckAt?: number
  createdAt: number
  updatedAt: number
}

/** What is known of a source's health. Absent knowledge counts as healthy. */
export interface SourceHealth {
  healthy: boolean
  /** 0 is best; larger tiers are tried later. */
  tier?: number
  /** Smoothed, in milliseconds. */
  latencyMs?: number
  lastCheckedAt?: number
  /** The last failure's code. */
  code?: string
  /** What is wrong with it; absent while all is well. */
  trouble?: HealthTrouble
  /** Since when, in milliseconds since the epoch. */
  since?: number
  /** When it is tried again, or counted as well again; absent where no time mends it. */
  retryAt?: number
}

/**
 * What may be wrong with a source: `ejected`, it failed too often and is left alone for a time; `on-trial`, that time is over, and few try it
 * out; `returning`, it works again and gets back a growing part of its calls; `refused`, it refuses our credentials, or its bucket is gone;
 * `throttled`, it asked for fewer calls; `failing`, it fails often.
 */
export type HealthTrouble = 'ejected' | 'on-trial' | 'returning' | 'refused' | 'throttled' | 'failing'

/** The status of a source, from what is set and what is seen. */
export function sourceStatus(source: Pick<Source, 'enabled'>, health?: SourceHealth): SourceStatus {
  if (!source.enabled) return 'inactive'
  return health === undefined || health.healthy ? 'active' : 'error'
}
