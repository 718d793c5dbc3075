export type { NetworkOptions, Resolve, ResolvedAddress } from '../shared/index.ts'
export { oss } from './adapter.ts'
export type { OssEncryption } from './encryption.ts'
export type { AssumeRole, OssCredentials, OssOptions } from './options.ts'
