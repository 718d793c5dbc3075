export { type MinioOptions, minio } from './adapter.ts'
