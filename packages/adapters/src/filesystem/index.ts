export { type PresignHandlerOptions, type PresignSettings, presignHandler } from '../presigned/index.ts'
export { filesystem } from './adapter.ts'
export { contentTypeOf } from './content-type.ts'
export { type FilesystemOptions, workFolder } from './options.ts'
