export {
  type BucketEventOptions,
  type BucketEventResult,
  type LambdaContext,
  onBucketEvent,
} from './on-bucket-event.ts'
export { type BucketEvent, parseS3Event } from './s3-event.ts'
