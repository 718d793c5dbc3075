export { filesystem, type FilesystemOptions } from './filesystem/index.ts'
export { memory, type MemoryOptions } from './memory/index.ts'
