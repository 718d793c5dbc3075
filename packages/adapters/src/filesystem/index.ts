export { filesystem } from './adapter.ts'
export { contentTypeOf } from './content-type.ts'
export type { FileSystem } from './file-system.ts'
export { type FilesystemOptions, workFolder } from './options.ts'
