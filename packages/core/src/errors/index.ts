export { type ErrorCode, errorCodes, retryableCodes } from './codes.ts'
export { hasCode, StowageError, type StowageErrorOptions, throwIfAborted, toStowageError } from './error.ts'
