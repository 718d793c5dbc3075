export { type AdapterConfig, adapterTypes, createAdapter } from './registry/index.ts'
export { type S3Quirk, s3Quirks } from './s3/quirks.ts'
