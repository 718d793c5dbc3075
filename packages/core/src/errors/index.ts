export { type ErrorCode, errorCodes, retryableCodes } from './codes.ts'
export { type ErrnoMeaning, errnoOf, meaningOfErrno } from './errno.ts'
export { hasCode, StowageError, type StowageErrorOptions, throwIfAborted, toStowageError } from './error.ts'
