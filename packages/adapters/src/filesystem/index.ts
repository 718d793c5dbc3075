export { filesystem } from './adapter.ts'
export type { FileSystem } from './file-system.ts'
export type { FilesystemOptions } from './options.ts'
