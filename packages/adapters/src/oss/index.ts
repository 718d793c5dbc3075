export { oss } from './adapter.ts'
export type { OssCredentials, OssOptions } from './options.ts'
