export { type Difference, type VerifyCounts, type VerifyOptions, type VerifyResult, verifySides } from './verify.ts'
