export type { ScrubFinding } from './inspect/index.ts'
export type {
  DatasetVerification,
  ScrubOptions,
  ScrubProgress,
  ScrubResult,
  ScrubStatus,
  VerifyDatasetOptions,
} from './options.ts'
export { scrub } from './scrub.ts'
export { type ScrubSettings, settingsOf } from './settings.ts'
export { scrubStatus } from './status.ts'
export { verifyDataset } from './verify.ts'
