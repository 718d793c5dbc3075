export { resolveAddress } from './address.ts'
export { LeanPath } from './path.ts'
export type { Credentials } from './signer.ts'
