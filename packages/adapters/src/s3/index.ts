export type { NetworkOptions, Resolve, ResolvedAddress } from '../shared/index.ts'
export { S3Adapter, s3 } from './adapter.ts'
export type { S3Encryption } from './encryption.ts'
export type { S3Narrowing } from './narrowing.ts'
export {
  type Listening,
  type S3AssumeRole,
  type S3Credentials,
  type S3Options,
  type S3Profile,
  s3Capabilities,
} from './options.ts'
export { type S3Quirk, s3Quirks } from './quirks.ts'
