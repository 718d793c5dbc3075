export { type MinioOptions, minio, minioQuirks } from './adapter.ts'
