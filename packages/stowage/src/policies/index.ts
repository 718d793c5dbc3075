export { type PeriodicJob, PeriodicJobs, type PeriodicRecord } from './periodic-jobs.ts'
export { Publications } from './publications.ts'
export { Records } from './records.ts'
export { type Replication, type ReplicationOptions, Replications } from './replications.ts'
