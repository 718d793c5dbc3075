export { type BucketEvent, parseBucketEvents } from 'stowage'
export {
  type BucketEventOptions,
  type BucketEventResult,
  type LambdaContext,
  onBucketEvent,
} from './on-bucket-event.ts'
