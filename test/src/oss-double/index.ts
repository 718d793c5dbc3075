export {
  OssDouble,
  type OssDoubleOptions,
  type SeenRequest,
  type SessionCredentials,
  startOssDouble,
} from './double.ts'
export type { OssErrorCode } from './errors.ts'
export type { OssFault } from './faults.ts'
export { resolveLocalhost } from './resolve.ts'
