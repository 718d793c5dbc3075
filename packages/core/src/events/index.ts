export { Events } from './emitter.ts'
export type {
  Alert,
  PolicyLag,
  ReadFailover,
  ReplicaObject,
  RouteDecided,
  SourceCall,
  StowageEvents,
  SyncProgress,
  UploadFailover,
  UploadProgress,
} from './events.ts'
export { harmless } from './listener.ts'
export { RateMeter } from './rate.ts'
export { Reporter } from './reporter.ts'
