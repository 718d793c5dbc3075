export { type PresignHandlerOptions, type PresignSettings, presignHandler } from '../presigned/index.ts'
export { memory } from './adapter.ts'
export type { MemoryOptions } from './options.ts'
