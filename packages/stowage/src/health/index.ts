export { HealthRecord } from './health-record.ts'
export { ProbeLease } from './probe-lease.ts'
export { Prober } from './prober.ts'
export { type HealthConfig, type HealthSettings, healthSettings } from './settings.ts'
