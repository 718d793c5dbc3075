export { type PresignHandlerOptions, presignHandler } from './handler.ts'
export { presigner } from './presign.ts'
export type { PresignSettings } from './signer.ts'
