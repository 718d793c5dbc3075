export {
  type AcceptUploadOptions,
  acceptUpload,
  cancelUpload,
  finishAccepted,
  pinnedEtag,
  refuseTaken,
} from './accept.ts'
export type { SignUploadOptions } from './declared.ts'
export { giveUp } from './give-up.ts'
export { checkPath, type DraftScope, scopeOf } from './scope.ts'
export { type SignedPart, type SignedUpload, type SignPartsOptions, signParts, signUpload } from './sign.ts'
export { StreamNote } from './stream-note.ts'
export { type SweepOptions, type Swept, sweepDrafts } from './sweep.ts'
