export { Publications } from './publications.ts'
export { type Replication, type ReplicationOptions, Replications } from './replications.ts'
