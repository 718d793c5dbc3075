export { Events } from './emitter.ts'
export type {
  Alert,
  ReadFailover,
  RouteDecided,
  SourceCall,
  StowageEvents,
  SyncProgress,
  UploadProgress,
} from './events.ts'
export { RateMeter } from './rate.ts'
