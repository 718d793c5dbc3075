export { Publications, type Replication, type ReplicationOptions } from './publications.ts'
