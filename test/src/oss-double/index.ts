export {
  OssDouble,
  type OssDoubleOptions,
  type SeenRequest,
  startOssDouble,
} from './double.ts'
export type { OssErrorCode } from './errors.ts'
export type { OssFault } from './faults.ts'
export { resolveLocalhost } from './resolve.ts'
export type { SessionCredentials } from './sts.ts'
